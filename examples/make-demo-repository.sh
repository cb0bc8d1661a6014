#!/bin/sh
# Makes a Git repository of examples/demo-script, to try the examples without a network:
#
#   examples/make-demo-repository.sh [FOLDER]
#
# Without FOLDER it becomes /var/lib/heraldd/demo-script.git, where examples/git-script-local.yml looks for it. Run
# again, it takes up what was changed in the scripts.
set -eu

scripts=$(cd "$(dirname "$0")/demo-script" && pwd)
repository=${1:-/var/lib/heraldd/demo-script.git}

[ -e "$repository/HEAD" ] || git init --quiet --bare --initial-branch=main "$repository"
export GIT_DIR="$repository" GIT_WORK_TREE="$scripts" GIT_INDEX_FILE="$repository/index"
git add --all
git -c user.name=Demo -c user.email=demo@example.com commit --quiet --allow-empty --message "Demo scripts"
echo "file://$(cd "$repository" && pwd)"
