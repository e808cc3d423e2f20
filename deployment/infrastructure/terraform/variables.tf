variable "name" {
  description = "Name of the installation, such as the city."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 32 characters: small letters, digits and dashes, a letter first."
  }
}

variable "stage" {
  description = "test or production."
  type        = string
  default     = "test"
  validation {
    condition     = contains(["test", "production"], var.stage)
    error_message = "stage must be test or production."
  }
}

variable "image" {
  description = "Name of the image in its registry, without tag."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$", var.image))
    error_message = "image must be registry/name without a tag, such as registry.example.org/crimepatterns."
  }
}

variable "image_digest" {
  description = "What is deployed, by content."
  type        = string
  validation {
    condition     = can(regex("^sha256:[0-9a-f]{64}$", var.image_digest))
    error_message = "image_digest must be sha256: and 64 hex digits; a tag can be moved to something else."
  }
}

variable "incidents" {
  description = "Incident records of all cities together."
  type        = number
  default     = 1000000
  validation {
    condition     = var.incidents >= 1
    error_message = "incidents must be at least 1."
  }
}

variable "volume_gb" {
  description = "Smallest volume of the project folder, GB."
  type        = number
  default     = 20
  validation {
    condition     = var.volume_gb >= 5
    error_message = "volume_gb must be at least 5."
  }
}

variable "workers" {
  description = "Dask workers for back-tests and training; 0: the job works alone."
  type        = number
  default     = 0
  validation {
    condition     = var.workers >= 0 && var.workers <= 200 && floor(var.workers) == var.workers
    error_message = "workers must be a whole number from 0 to 200."
  }
}

variable "node_vcpus" {
  description = "vCPUs of a node."
  type        = number
  default     = 4
  validation {
    condition     = var.node_vcpus >= 2
    error_message = "node_vcpus must be at least 2."
  }
}

variable "storage_class" {
  description = "Class of volumes that several nodes can mount; empty where Kubernetes is not used."
  type        = string
  default     = ""
}

variable "base" {
  description = "Path from the overlay to deployment/infrastructure/kubernetes."
  type        = string
  default     = "../.."
}

variable "hosts" {
  description = "Plain hosts on which Ansible deploys."
  type        = list(string)
  default     = []
}

variable "city_file" {
  description = "City file on the machine that runs Ansible; empty: the embedded city."
  type        = string
  default     = ""
}
