#!/bin/sh
# Writes a project into the etcd on this machine: its policy, and one file.
set -eu
export ETCDCTL_API=3
site=/tmp/herald-demo/etcd-publish/site/a.com
backup=/tmp/herald-demo/etcd-publish/backup/a.com
etcdctl put /watcher/web01/a.com/config \
    "{\"deployPath\": \"$site\", \"backupDir\": \"$backup\", \"checkCmd\": \"test -s {{ stage }}/ngx.conf\",
      \"beforeCmd\": \"echo before\", \"afterCmd\": \"echo after\"}"
etcdctl put /watcher/web01/a.com/config.d/ngx.conf 'server { listen 80; }'
