# The configuration reference of the jobs is the program's; the pages' links lead somewhere.
. "$(dirname "$0")/common.bash"
root=$(cd "$(dirname "$0")/../.." && pwd)
readme=$root/jobs/README.md

ranks 1 --reference
statuses 0
sed -n '/^<!-- begin: cdsr --reference -->$/,/^<!-- end -->$/p' "$readme" | sed '1d;$d' >"$work/readme"
diff "$work/readme" "$work/out" >&2 || complain 'jobs/README.md holds what cdsr --reference prints'
[ -s "$work/out" ] || complain 'a reference is printed'

# anchor HEADING: as GitHub makes it.
anchors() {
    sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}
links=0
for page in "$root"/README.md "$root"/*/README.md "$root"/core/models/README.md; do
    while read -r link; do
        links=$((links + 1))
        target=${link%%#*}
        file=$page
        [ -z "$target" ] || file=$(dirname "$page")/$target
        [ -e "$file" ] || complain "$page leads to $target"
        case $link in
        *#*) anchors "$file" | grep -qxF -- "${link#*#}" || complain "$page leads to $link" ;;
        esac
    done < <(grep -o ']([^)]*)' "$page" | sed 's/^](//; s/)$//' | grep -v '^https:')
done
[ "$links" -ge 8 ] || complain "links: $links"
finish
