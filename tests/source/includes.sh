#!/usr/bin/env bash
# The graph of includes has no circle: a header and the source of the same name are one node, and an
# include in either is an edge to the node that is included. Prints the circles that there are.
set -euo pipefail
cd "$(dirname "$0")/../.."
folders=(core io jobs mpi partition tests)

# "NODE INCLUDED", a pair a line
edges=$(grep -rE --include='*.[ch]' '^#include "' "${folders[@]}" |
    sed -E 's/\.[ch]:#include "/ /; s/\.h".*//' | awk '$1 != $2' | sort -u)
[ -n "$edges" ] || { echo "no include is found in ${folders[*]}"; exit 1; }

# tsort names the nodes of each circle that it meets, one that includes the next.
circles=$({ tsort <<<"$edges" 2>&1 >/dev/null || true; } | awk '
    function end_circle() { if (path) print "  " path " -> " first; path = "" }
    /contains a loop/ { end_circle(); next }
    { if (!path) first = $2; path = path ? path " -> " $2 : $2 }
    END { end_circle() }')
[ -z "$circles" ] || {
    printf 'headers include each other in a circle; move what both need to a pair below:\n%s\n' "$circles"
    exit 1
}
