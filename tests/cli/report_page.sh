# cdsr report --html: one page with all of it, as a reader of HTML and as a browser sees it.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

synth --items-a 60 --items-b 80 --users 200 --seed 3 -o data.h5
small_run 'epochs: 2, batch: 64, lr: 0.01'
for seed in 1 2; do
    "$CDSR" train run.yaml run.seed=$seed run.dir=s$seed --quiet >/dev/null || complain "seed $seed"
done
"$CDSR" train run.yaml model.dropout=0 run.dir=other --quiet >/dev/null || complain other
evil="<img src=http://elsewhere.invalid/x onerror=\"document.title='ran'\">&'"
mkdir -p "$evil" && cp -r s1/* "$evil" # a folder in folders, as there are slashes
sed -i 's/"event": "end", \(.*\)"status": 0/"event": "end", \1"status": 1/' "$evil/log.jsonl"
sed -i 's/dropout: 0.3/dropout: 0.7/' "$evil/config.yaml"
cat >s1/bench.json <<'JSON'
{"peak": {"sgemm_gflops": 50.5, "copy_gbs": 20, "triad_gbs": 21, "allreduce_gbs": null},
 "step": {"seconds": 0.5, "useful_gflops": 40, "fraction_of_peak": 0.8, "sequences_per_s": 128},
 "stages": {"loss": {"seconds": 0.375, "gflops": 45, "gbs": 1, "fraction": 0.9},
            "reduction": {"seconds": 0.125, "gflops": 0, "gbs": 2, "fraction": null}},
 "batch": 64, "ranks": 2, "threads": 1}
JSON
cat >scaling.json <<'JSON'
{"strong": [{"ranks": 2, "batch": 64, "seconds": 1, "sequences_per_s": 64, "fraction_of_peak": 0.9,
             "peak_rss_mb": 90, "speedup": 1, "efficiency": 1},
            {"ranks": 4, "batch": 64, "seconds": 0.625, "sequences_per_s": 102.4, "fraction_of_peak": 0.8,
             "peak_rss_mb": 90, "speedup": 1.6, "efficiency": 0.8}]}
JSON
"$CDSR" report --html page.html --bench scaling.json s1 other s2 "$evil" >table 2>err || complain "report: $(cat err)"

# page TEXT: stands on the page.
page() {
    grep -qF -- "$1" page.html || complain "on the page: $1"
}

test_figures_of_the_tables() { # The page has the figures that the tables have, a band for each split.
    "$CDSR" report --compare s1 other s2 >both || complain compare
    grep -o '[0-9.]* ± [0-9.]*' both | sort -u >spreads
    [ "$(wc -l <spreads)" -ge 6 ] || complain "figures of two seeds: $(cat both)"
    while read -r spread; do page "$spread"; done <spreads
    grep -o '[+-][0-9.]* \[[+-][0-9.]*, [+-][0-9.]*\]' both | sort -u >intervals
    [ "$(wc -l <intervals)" -ge 6 ] || complain "intervals: $(cat both)"
    while read -r mean low high; do page "$mean<small> $low $high"; done <intervals
    page '<tr class="band"><th scope="rowgroup" colspan="8">test, full</th></tr>'
    page '<caption>Figures by settings and domain</caption>'
    page "<td colspan=\"6\">&lt;img src=http://elsewhere.invalid/x onerror=&quot;"
}

test_curves() { # Every run has its line of as many points as epochs, and the best epoch is a ring.
    [ "$(grep -c '<title id="curve' page.html)" = 4 ] || complain 'four panels'
    page 's1: 2 points from '
    [ "$(grep -c 'class="marked"' page.html)" -ge 12 ] || complain 'rings of three runs in four panels'
    loss=$(losses s1 | awk 'NR <= 3 { sum += $2 } END { printf "%.4g", sum / 3 }')
    page "s1: 2 points from $loss at 1 to "
}

test_resumed_run() { # Steps that a run did twice count once: those after the checkpoint that it went on from.
    cp -r s1 again
    { sed '/"end"/d; /"epoch": 2/s/"total": [0-9.]*/"total": 99/' s1/log.jsonl; grep -m 1 '"start"' s1/log.jsonl | sed 's/"step": 0/"step": 3/'
        grep '"epoch": 2' s1/log.jsonl; grep '"end"' s1/log.jsonl; } >again/log.jsonl
    "$CDSR" report --html again.html again >/dev/null || complain again
    "$CDSR" report --html one.html s1 >/dev/null || complain one
    grep -o ': 2 points from .*' one.html >one
    grep -o ': 2 points from .*' again.html | diff one - || complain 'other curves'
    [ "$(wc -l <one)" = 4 ] || complain "four curves: $(cat one)"
}

test_speed() { # Stages come from the run's bench.json, scaling from what --bench names.
    page '<caption>s1/bench.json: 2 ranks of 1 threads, batch 64, 128.0 sequences/s</caption>'
    page '<th scope="row">loss</th><td class="n">375</td><td class="n">75.0</td><td class="n">45.0</td>'
    page 'strong: 2 points from 2 at 2 to 3.2 at 4'
    echo '{"stages": 1}' >wrong.json
    refused_here 'wrong.json: is neither a bench.json of bench nor a scaling.json of slurm/scaling.sh' \
        report --html - --bench wrong.json s1
    refused_here 'report: --bench: is for the page of --html' report --bench scaling.json s1
}

test_settings_and_provenance() { # What differs from the defaults, of what the run was made, and on what machine.
    page '<th scope="row"><code>model.dim</code></th>'
    ! grep -q '<code>run.seed</code>' page.html || complain 'the seed is no setting'
    page "content $(sed -n 's/.*"dataset_hash": "\([0-9a-f]*\)".*/\1/p' s1/metrics.json | head -n 1)"
    page '<h3>s1, other, s2, &lt;img src='
    page '  processor: '
    page '  kernel: Linux '
}

test_output() { # The page stands beside the table, or in its place; a file is replaced with --overwrite alone.
    grep -q '^| `model.dropout` | runs |' table || complain "the table: $(cat table)"
    "$CDSR" report --html - s1 >out || complain stdout
    [ "$(head -n 1 out)" = '<!DOCTYPE html>' ] || complain "the page alone: $(head -n 1 out)"
    [ "$(grep -c '^|' out)" = 0 ] || complain 'no table'
    refused_here 'page.html: exists already; name another output or give --overwrite' report --html page.html s1
    refused_here 'report: --provenance: is text; leave --costs, --compare, --plot and --html out' \
        report --provenance --html x.html s1
    mkdir broken && cp s1/config.yaml s1/log.jsonl s1/metrics.json broken
    echo '{' >broken/bench.json
    "$CDSR" report --html broken.html broken >/dev/null 2>err
    [ $? = 2 ] || complain 'a bench.json that is none'
    [ ! -e broken.html ] || complain 'nothing is written'
}

test_nothing_from_elsewhere() { # No text of a file is markup, and nothing on the page is to be loaded.
    ! grep -qiE '<(script|img|link|iframe|object|embed|audio|video|form|base)[ >]' page.html || complain 'an element that loads'
    ! grep -qE ' (src|srcset|data|action|style|on[a-z]+)="' page.html || complain 'an attribute that loads or runs'
    ! grep -oE '(href|xlink:href)="[^"]*"' page.html | grep -v '"#' || complain 'a link to elsewhere'
    ! grep -qE 'url\(|@import' page.html || complain 'a style from elsewhere'
    page "content=\"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
}

# browse FILE OPTION...: with a fresh profile and without network; its messages in browser.err.
browse() {
    rm -rf profile
    timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --user-data-dir="$work/profile" --host-resolver-rules='MAP * ~NOTFOUND' \
        --enable-logging=stderr "${@:2}" "file://$work/$1" 2>browser.err
}

# colours PNG RRGGBB...: how many points of the picture have each.
colours() {
    python3 - "$@" <<'PYTHON'
import struct, sys, zlib
data, at, packed = open(sys.argv[1], "rb").read(), 8, b""
while at < len(data):
    size, kind = struct.unpack(">I4s", data[at:at + 8])
    body = data[at + 8:at + 8 + size]
    if kind == b"IHDR":
        width, height, depth, form = struct.unpack(">IIBB", body[:10])
    packed += body if kind == b"IDAT" else b""
    at += size + 12
assert depth == 8 and form in (2, 6)
step = 3 if form == 2 else 4
raw, before, points = zlib.decompress(packed), bytes(width * step), {}
for y in range(height):
    start = y * (width * step + 1)
    kind, row = raw[start], bytearray(raw[start + 1:start + 1 + width * step])
    for i in range(len(row)) if kind else ():
        a, b, c = row[i - step] if i >= step else 0, before[i], before[i - step] if i >= step else 0
        pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
        paeth = a if pa <= pb and pa <= pc else b if pb <= pc else c
        row[i] = row[i] + (a, b, (a + b) // 2, paeth)[kind - 1] & 255
    for i in range(0, len(row), step):
        point = bytes(row[i:i + 3])
        points[point] = points.get(point, 0) + 1
    before = row
print(*[points.get(bytes.fromhex(colour), 0) for colour in sys.argv[2:]])
PYTHON
}

# pictured NAME PAPER LINE OPTION...: a picture of the curves has a paper and a line of these colours.
pictured() {
    local paper line
    browse curves.html --window-size=800,600 --screenshot="$work/$1.png" "${@:4}" || complain "chromium: $(cat browser.err)"
    read -r paper line < <(colours "$1.png" "$2" "$3")
    [ "$paper" -gt 200000 ] || complain "$1: $paper points of paper"
    [ "$line" -gt 200 ] || complain "$1: $line points of a line"
}

test_in_a_browser() { # Chromium shows its text and its style, in the light and in the dark, and loads nothing.
    command -v chromium >/dev/null || skip 'without chromium the page is not looked at'
    browse page.html --dump-dom --log-net-log="$work/net.json" >dom.html || complain "chromium: $(cat browser.err)"
    ! grep CONSOLE browser.err || complain 'the browser complains'
    for text in 'Learning curves' '3 with figures that count' 'mean ± standard deviation' 's1/bench.json: 2 ranks'; do
        grep -qF "$text" dom.html || complain "in the browser: $text"
    done
    ! grep -q '<img' dom.html || complain 'text of a file became an element'
    ! grep -o '"url":"[^"]*elsewhere[^"]*"' net.json || complain 'something was loaded'
    sed 's/<section aria-labelledby="figures"/& hidden/' page.html >curves.html # what stands above them
    pictured light ffffff 0a58a8
    pictured dark 14171b 6cb2ff --blink-settings=preferredColorScheme=0
    sed 's/max-width:76rem/max-width:75rem/' page.html >other.html
    browse other.html --dump-dom >/dev/null
    grep -q 'CONSOLE.*Content Security Policy' browser.err || complain 'another style is refused'
}

run_tests "$@"
