group "default" { targets = ["api", "worker", "gateway"] }
variable "REVISION" { default = "none" }
target "common" { args = { REVISION = REVISION } }
target "api" { inherits = ["common"], target = "api", tags = ["shop/api"] }
target "worker" { inherits = ["common"], target = "worker", tags = ["shop/worker"] }
target "gateway" { inherits = ["common"], target = "gateway", tags = ["shop/gateway"] }
