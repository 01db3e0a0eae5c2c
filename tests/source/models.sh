#!/usr/bin/env bash
# A model is known by name in its own files and in the list of models alone; a model that builds upon
# another includes its header. A data format may have the name of a model (c2dsr): its reader and `prepare`
# know that. Prints the other lines.
set -euo pipefail
cd "$(dirname "$0")/../.."
names=$(sed -n 's/^ *\.name = "\([a-z0-9_]*\)",$/\1/p' core/models/*.c)
[ "$(wc -w <<<"$names")" -ge 4 ] || { echo "only these models are found: $names"; exit 1; }
lines=
for name in $names; do
    lines+=$(grep -rnw --include='*.[ch]' --include='*.def' "$name" core io jobs mpi partition |
        grep -vE "^core/models/($name\.[ch]|registry\.c):" |
        grep -vE '^core/models/[a-z_]+\.[ch]:[0-9]+:#include ' |
        grep -vE "^(io/readers/$name\.[ch]|jobs/prepare\.c):" || true)
done
[ -z "$lines" ] || {
    printf 'a model is known where it should not be; what is needed belongs into struct model_ops:\n%s\n' "$lines"
    exit 1
}
