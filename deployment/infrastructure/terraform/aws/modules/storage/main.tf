# Where things are kept: a file system that all nodes mount, and a bucket for backups that nobody can overwrite.
variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "vpc" {
  description = "The network."
  type        = object({ id = string, cidr = string })
}

variable "subnets" {
  description = "Private subnets."
  type        = list(string)
}

variable "node_group" {
  description = "Group of the machines that mount the file system."
  type        = string
}

variable "retention_days" {
  description = "Days for which replaced backups are kept."
  type        = number
}

resource "aws_kms_key" "this" {
  #checkov:skip=CKV2_AWS_64:the default policy gives the key to the account that owns it, and to nobody else
  description             = "${var.name}: project folder and backups"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_efs_file_system" "this" {
  creation_token = var.name
  encrypted      = true
  kms_key_id     = aws_kms_key.this.arn
  tags           = { Name = var.name }
}

resource "aws_efs_backup_policy" "this" {
  file_system_id = aws_efs_file_system.this.id
  backup_policy {
    status = "ENABLED"
  }
}

resource "aws_security_group" "files" {
  name        = "${var.name}-files"
  description = "The file system, for the machines of the cluster alone"
  vpc_id      = var.vpc.id

  ingress {
    description     = "NFS from the machines"
    from_port       = 2049
    to_port         = 2049
    protocol        = "tcp"
    security_groups = [var.node_group]
  }
}

resource "aws_efs_mount_target" "this" {
  count           = length(var.subnets)
  file_system_id  = aws_efs_file_system.this.id
  subnet_id       = var.subnets[count.index]
  security_groups = [aws_security_group.files.id]
}

resource "aws_s3_bucket" "backups" {
  #checkov:skip=CKV_AWS_144:a second region is the owner's decision: records may have to stay in one
  #checkov:skip=CKV2_AWS_62:nobody waits for new backups
  #checkov:skip=CKV_AWS_18:calls are in the account's own trail; a bucket for logs of this one would need one of its own
  bucket_prefix       = "${var.name}-backups-"
  object_lock_enabled = true
}

resource "aws_s3_bucket_public_access_block" "backups" {
  bucket                  = aws_s3_bucket.backups.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "backups" {
  bucket = aws_s3_bucket.backups.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "backups" {
  bucket = aws_s3_bucket.backups.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "backups" {
  bucket = aws_s3_bucket.backups.id
  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = var.retention_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

# Erasure of a record must reach its backups: they are locked for a week, not for ever.
resource "aws_s3_bucket_object_lock_configuration" "backups" {
  bucket = aws_s3_bucket.backups.id
  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = 7
    }
  }
}

resource "aws_s3_bucket_policy" "backups" {
  bucket = aws_s3_bucket.backups.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyEncryptedConnections"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.backups.arn, "${aws_s3_bucket.backups.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

output "bucket" {
  description = "Bucket for backups."
  value       = aws_s3_bucket.backups.bucket
}

output "file_system" {
  description = "File system of the project folder, for a storage class named efs."
  value       = aws_efs_file_system.this.id
}
