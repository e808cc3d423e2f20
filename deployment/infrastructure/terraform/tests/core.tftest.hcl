variables {
  name          = "chicago"
  stage         = "production"
  image         = "registry.example.org/crimepatterns"
  image_digest  = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  storage_class = "shared"
  workers       = 7
  hosts         = ["one.example.org", "two.example.org"]
}

run "an_overlay_is_rendered" {
  command = plan
  assert {
    condition     = yamldecode(output.overlay).images[0].digest == var.image_digest
    error_message = "the image is not pinned by digest"
  }
  assert {
    condition     = yamldecode(output.overlay).replicas[0].count == 7
    error_message = "the workers are not counted"
  }
  assert {
    condition     = contains(split("\n", output.inventory), "two.example.org")
    error_message = "a host is missing"
  }
  # 7 workers on nodes of 4 vCPUs, one left free on each: 3 nodes.
  assert {
    condition     = output.size.worker_nodes == 3 && output.size.fixed_nodes == 2
    error_message = "the nodes are counted wrongly"
  }
}

run "without_workers_there_is_no_cluster_of_workers" {
  command = plan
  variables {
    workers = 0
  }
  assert {
    condition     = !can(yamldecode(output.overlay).components) && output.size.worker_nodes == 0
    error_message = "Dask is deployed though nobody asked"
  }
}

run "many_records_need_a_larger_volume" {
  command = plan
  variables {
    incidents = 200000000
  }
  assert {
    condition     = output.size.volume_gb == 5 + 37
    error_message = "the volume does not grow with the records"
  }
}

run "a_tag_is_no_digest" {
  command = plan
  variables {
    image_digest = "latest"
  }
  expect_failures = [var.image_digest]
}

run "an_image_with_a_tag_is_refused" {
  command = plan
  variables {
    image = "registry.example.org/crimepatterns:1.0"
  }
  expect_failures = [var.image]
}

run "names_are_checked" {
  command = plan
  variables {
    name = "St. Louis"
  }
  expect_failures = [var.name]
}

run "half_a_worker_is_refused" {
  command = plan
  variables {
    workers = 1.5
  }
  expect_failures = [var.workers]
}

run "production_needs_shared_storage" {
  command = plan
  variables {
    storage_class = ""
  }
  expect_failures = [terraform_data.installation]
}

run "nothing_to_deploy_to_is_said" {
  command = plan
  variables {
    stage         = "test"
    storage_class = ""
    hosts         = []
  }
  expect_failures = [check.somebody_runs_it]
}
