# The core: what an installation is called, how large it is, and the files that Kubernetes and Ansible take from it.
# It asks no provider, so that it plans and tests anywhere, offline. `aws/` builds the machines under it.
terraform {
  required_version = ">= 1.6"
}

locals {
  name = "${var.name}-${var.stage}"

  labels = {
    "app.kubernetes.io/part-of" = "crimepatterns"
    "crimepatterns/stage"       = var.stage
  }

  # One worker thread per vCPU of the workers' nodes, one vCPU left to each node's own work.
  worker_nodes = var.workers == 0 ? 0 : ceil(var.workers / max(1, var.node_vcpus - 1))
  # The page, the model server (two each in production) and the job share the nodes that are there in any case.
  fixed_nodes = var.stage == "production" ? 2 : 1

  # Bytes a row, measured on two years of Chicago (320,950 rows; du -sb data/raw/chicago data/processed/chicago/):
  # 13 for the raw copy, 84 for each of two versions of cleaned incidents.
  measured_gb = ceil(var.incidents * (13 + 2 * 84) / 1000000000)
  volume_gb   = max(var.volume_gb, 5 + local.measured_gb)

  overlay = templatefile("${path.module}/templates/overlay.yaml.tftpl", {
    base          = var.base
    image         = var.image
    digest        = var.image_digest
    labels        = local.labels
    volume_gb     = local.volume_gb
    storage_class = var.storage_class
    workers       = var.workers
  })

  inventory = templatefile("${path.module}/templates/inventory.ini.tftpl", {
    hosts     = var.hosts
    city_file = var.city_file
  })
}

# A change of these is a change of the installation: shown by plan, kept in the state.
resource "terraform_data" "installation" {
  input = {
    name      = local.name
    image     = "${var.image}@${var.image_digest}"
    nodes     = local.fixed_nodes + local.worker_nodes
    volume_gb = local.volume_gb
    overlay   = sha256(local.overlay)
    inventory = sha256(local.inventory)
  }

  lifecycle {
    precondition {
      condition     = var.stage != "production" || var.storage_class != ""
      error_message = "Production needs storage_class: a class whose volumes several nodes can mount."
    }
  }
}

check "somebody_runs_it" {
  assert {
    condition     = length(var.hosts) > 0 || var.storage_class != ""
    error_message = "Neither hosts for Ansible nor a storage class for Kubernetes are named: nothing would be deployed."
  }
}
