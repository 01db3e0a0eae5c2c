# For scripts that ask a model behind a server: tests/chat_server.py plays it.
python=$(command -v python3) || skip 'no python3'
chat=$(readlink -f "$(dirname "$0")/../chat_server.py")
unset CDSR_API_KEY OPENAI_API_KEY http_proxy https_proxy all_proxy
export no_proxy='*'

# serve ARGUMENT...: a server until the next one or the end of the test, its log in served; leaves
# $endpoint and $server.
server=
serve() {
    rm -f port
    [ -z "$server" ] || kill "$server"
    "$python" "$chat" serve port --log served "$@" 2>server.err &
    server=$!
    trap 'kill $server 2>/dev/null' EXIT
    local tries=200
    until [ -s port ] || [ $((tries--)) = 0 ]; do sleep 0.05; done
    [ -s port ] || complain "the server does not start: $(cat server.err)"
    endpoint=http://127.0.0.1:$(cat port)
}

# served WHAT: how many requests the server answered with WHAT.
served() {
    cut -f 1 served | grep -cx "$1"
}
