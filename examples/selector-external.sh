#!/bin/sh
# Matches even counters. HERALD_TRIGGER_PARAM and HERALD_SELECT_PARAM hold the parameters as JSON.
counter=$(printf '%s' "$HERALD_TRIGGER_PARAM" | sed -n 's/.*"counter": *\([0-9]*\).*/\1/p')
[ -n "$counter" ] && [ $((counter % 2)) -eq 0 ]
