# NEVER APPLIED. Parsed, formatted and scanned only (make test-infrastructure): where this was written no cloud and no
# provider could be reached, so that even `terraform init` has not run on this folder. Read it as a draft by somebody
# who knows the services, plan it in an account of your own, and expect to correct it.
terraform {
  required_version = ">= 1.6"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.60"
    }
  }
  # Name a bucket of your own: the state holds names and addresses of everything.
  backend "s3" {}
}

provider "aws" {
  region = var.region
  default_tags {
    tags = {
      project = "crimepatterns"
      name    = module.core.size.name
    }
  }
}

module "core" {
  source        = "../"
  name          = var.name
  stage         = var.stage
  image         = var.image
  image_digest  = var.image_digest
  incidents     = var.incidents
  workers       = var.workers
  storage_class = "efs"
}

module "network" {
  source = "./modules/network"
  name   = module.core.size.name
  cidr   = var.cidr
  zones  = var.zones
}

module "cluster" {
  source         = "./modules/cluster"
  name           = module.core.size.name
  subnets        = module.network.private_subnets
  admin_cidrs    = var.admin_cidrs
  nodes          = module.core.size.fixed_nodes + module.core.size.worker_nodes
  node_type      = var.node_type
  kubernetes     = var.kubernetes
  retention_days = var.retention_days
}

module "storage" {
  source         = "./modules/storage"
  name           = module.core.size.name
  vpc            = module.network.vpc
  subnets        = module.network.private_subnets
  node_group     = module.cluster.node_security_group
  retention_days = var.retention_days
}

output "overlay" {
  description = "kustomization.yaml of the overlay for this cluster."
  value       = module.core.overlay
}

output "backups" {
  description = "Bucket for what `crimepatterns backup` writes."
  value       = module.storage.bucket
}
