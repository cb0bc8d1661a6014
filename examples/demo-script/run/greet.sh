#!/bin/sh
# What is no JSON object comes back as the text `output`.
echo "Hello from $(uname -n)"
