#!/bin/sh
# Creates a Git repository from examples/demo-script, to try the examples without a network:
#
#   examples/make-demo-repository.sh [FOLDER]
#
# The default FOLDER is /var/lib/heraldd/demo-script.git, which examples/git-script-local.yml uses. A second run commits
# changes of the scripts.
set -eu

scripts=$(cd "$(dirname "$0")/demo-script" && pwd)
repository=${1:-/var/lib/heraldd/demo-script.git}

[ -e "$repository/HEAD" ] || git init --quiet --bare --initial-branch=main "$repository"
export GIT_DIR="$repository" GIT_WORK_TREE="$scripts" GIT_INDEX_FILE="$repository/index"
git add --all
git -c user.name=Demo -c user.email=demo@example.com commit --quiet --allow-empty --message "Demo scripts"
echo "file://$(cd "$repository" && pwd)"
