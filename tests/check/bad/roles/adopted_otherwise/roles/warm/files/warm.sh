#!/bin/sh
cat <<'EOF'
Usage:
  warm.sh get
  warm.sh run [--all]
EOF
