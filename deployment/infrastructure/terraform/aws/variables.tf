variable "region" {
  description = "Region of the cloud; choose one whose law fits the records."
  type        = string
}

variable "zones" {
  description = "Two or more availability zones of the region."
  type        = list(string)
  validation {
    condition     = length(var.zones) >= 2
    error_message = "zones must name at least two."
  }
}

variable "cidr" {
  description = "Addresses of the network."
  type        = string
  default     = "10.40.0.0/16"
}

variable "admin_cidrs" {
  description = "Addresses from which the cluster's API may be reached; empty: only from inside the network."
  type        = list(string)
  default     = []
  validation {
    condition     = !contains(var.admin_cidrs, "0.0.0.0/0")
    error_message = "admin_cidrs must not be the whole internet."
  }
}

variable "name" {
  description = "Name of the installation, such as the city."
  type        = string
}

variable "stage" {
  description = "test or production."
  type        = string
  default     = "test"
}

variable "image" {
  description = "Name of the image in its registry, without tag."
  type        = string
}

variable "image_digest" {
  description = "What is deployed, by content."
  type        = string
}

variable "incidents" {
  description = "Incident records of all cities together."
  type        = number
  default     = 1000000
}

variable "workers" {
  description = "Dask workers; 0: the job works alone."
  type        = number
  default     = 0
}

variable "node_type" {
  description = "Kind of machine, 4 vCPUs as the core reckons."
  type        = string
  default     = "m7i.xlarge"
}

variable "kubernetes" {
  description = "Version of Kubernetes."
  type        = string
  default     = "1.33"
}

variable "retention_days" {
  description = "Days for which logs, and backups that were replaced, are kept."
  type        = number
  default     = 365
}
