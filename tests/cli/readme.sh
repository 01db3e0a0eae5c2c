# The configuration reference in the README is the program's.
. "$(dirname "$0")/common.bash"
readme=$(dirname "$0")/../../README.md

ranks 1 --reference
statuses 0
sed -n '/^<!-- begin: cdsr --reference -->$/,/^<!-- end -->$/p' "$readme" | sed '1d;$d' >"$work/readme"
diff "$work/readme" "$work/out" >&2 || complain 'README.md holds what cdsr --reference prints'
[ -s "$work/out" ] || complain 'a reference is printed'
finish
