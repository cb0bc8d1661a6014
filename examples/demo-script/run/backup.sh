#!/bin/sh
# A minimal backup: packs the parameters of the job, and names the archive as a result file.
# The current directory is <work_dir>/run, which other jobs share, so everything goes into a folder of its own.
set -eu

folder=$(mktemp -d "backup-XXXXXX")
cp "$HERALD_EXECUTE_PARAM_FILE" "$folder/parameters.json"
tar -C "$folder" -czf "$folder/backup.tar.gz" parameters.json
rm "$folder/parameters.json"

# Standard error is captured separately, and is never part of the result.
echo "packed $folder/backup.tar.gz" >&2

# A JSON object on standard output is the result. `file` names the files to send back, relative to <work_dir>/run.
printf '{"file": {"backup": "%s"}, "bytes": %s}\n' "$folder/backup.tar.gz" "$(wc -c <"$folder/backup.tar.gz")"
