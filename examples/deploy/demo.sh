#!/bin/sh
# Creates the Git repository of examples/deploy/heraldd.yml, and commits another version of its page.
set -eu
folder=${1:-/tmp/herald-demo/deploy}
repository=$folder/site.git
mkdir -p "$folder/srv"
[ -e "$repository/HEAD" ] || git init --quiet --bare --initial-branch=main "$repository"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet "$repository" "$work/site" 2>/dev/null
cd "$work/site"
git checkout --quiet -B main
number=$(git rev-list --count HEAD 2>/dev/null || echo 0)
echo "<h1>Version $((number + 1))</h1>" > index.html
git add --all
git -c user.name=Demo -c user.email=demo@example.com commit --quiet --message "Version $((number + 1))"
git push --quiet origin main
git log --oneline -1
