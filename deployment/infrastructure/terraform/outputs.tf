output "overlay" {
  description = "kustomization.yaml of an overlay; put it beside a city.yaml."
  value       = local.overlay
}

output "inventory" {
  description = "Inventory for ansible/playbook.yml."
  value       = local.inventory
}

output "size" {
  description = "Nodes and gigabytes that a cloud module is to build."
  value = {
    name         = local.name
    fixed_nodes  = local.fixed_nodes
    worker_nodes = local.worker_nodes
    volume_gb    = local.volume_gb
  }
}
