# A managed Kubernetes cluster: secrets encrypted, everything it does logged, its API private unless asked otherwise.
variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "subnets" {
  description = "Private subnets."
  type        = list(string)
}

variable "admin_cidrs" {
  description = "Addresses from which the API may be reached from outside; empty: none."
  type        = list(string)
}

variable "nodes" {
  description = "Machines."
  type        = number
}

variable "node_type" {
  description = "Kind of machine."
  type        = string
}

variable "kubernetes" {
  description = "Version."
  type        = string
}

variable "retention_days" {
  description = "Days for which logs are kept."
  type        = number
}

resource "aws_kms_key" "secrets" {
  #checkov:skip=CKV2_AWS_64:the default policy gives the key to the account that owns it, and to nobody else
  description             = "${var.name}: secrets of the cluster"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_cloudwatch_log_group" "cluster" {
  #checkov:skip=CKV_AWS_158:encrypted by the service; the control plane's log holds no records
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = var.retention_days
}

resource "aws_iam_role" "cluster" {
  name = "${var.name}-cluster"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Action    = "sts:AssumeRole"
      Effect    = "Allow"
      Principal = { Service = "eks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_eks_cluster" "this" {
  #checkov:skip=CKV_AWS_38:public only for the addresses that are named, never for the whole internet
  #checkov:skip=CKV_AWS_39:public only where addresses are named
  name                      = var.name
  version                   = var.kubernetes
  role_arn                  = aws_iam_role.cluster.arn
  enabled_cluster_log_types = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

  vpc_config {
    subnet_ids              = var.subnets
    endpoint_private_access = true
    endpoint_public_access  = length(var.admin_cidrs) > 0
    public_access_cidrs     = length(var.admin_cidrs) > 0 ? var.admin_cidrs : null
  }

  encryption_config {
    resources = ["secrets"]
    provider {
      key_arn = aws_kms_key.secrets.arn
    }
  }

  depends_on = [aws_iam_role_policy_attachment.cluster, aws_cloudwatch_log_group.cluster]
}

resource "aws_iam_role" "node" {
  name = "${var.name}-node"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Action    = "sts:AssumeRole"
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each   = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"])
  role       = aws_iam_role.node.name
  policy_arn = "arn:aws:iam::aws:policy/${each.key}"
}

# Pods cannot reach the machine's own credentials, and disks are encrypted.
resource "aws_launch_template" "node" {
  name_prefix = "${var.name}-"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = 50
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }
}

resource "aws_eks_node_group" "this" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "main"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = var.subnets
  instance_types  = [var.node_type]

  scaling_config {
    desired_size = var.nodes
    min_size     = var.nodes
    max_size     = var.nodes + 1
  }

  update_config {
    max_unavailable = 1
  }

  launch_template {
    id      = aws_launch_template.node.id
    version = aws_launch_template.node.latest_version
  }

  depends_on = [aws_iam_role_policy_attachment.node]
}

resource "aws_eks_addon" "storage" {
  cluster_name = aws_eks_cluster.this.name
  addon_name   = "aws-efs-csi-driver"
}

output "node_security_group" {
  description = "Group of the machines."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}
