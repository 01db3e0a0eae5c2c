# The pages say what the program says, and their links lead somewhere.
. "$(dirname "$0")/common.bash"
root=$(cd "$(dirname "$0")/../.." && pwd)
readme=$root/jobs/README.md

test_reference_is_that_of_the_program() { # jobs/README.md holds what cdsr --reference prints.
    ranks 1 --reference
    statuses 0
    sed -n '/^<!-- begin: cdsr --reference -->$/,/^<!-- end -->$/p' "$readme" | sed '1d;$d' >"$work/readme"
    diff "$work/readme" "$work/out" >&2 || complain 'jobs/README.md holds what cdsr --reference prints'
    [ -s "$work/out" ] || complain 'a reference is printed'
}

# anchors PAGE: of its headings, as GitHub makes them.
anchors() {
    sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

test_links() { # Every link between the pages leads to a file, and to a heading in it.
    links=0
    for page in "$root"/README.md "$root"/*/README.md "$root"/core/models/*.md; do
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
}

run_tests "$@"
