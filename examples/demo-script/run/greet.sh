#!/bin/sh
# Output that is not a JSON object is returned as the string `output`.
echo "Hello from $(uname -n)"
