# Help, versions, and command lines that are not one.
. "$(dirname "$0")/common.bash"

test_help() { # Help is printed once, however many ranks ask for it.
    ranks 4 --help
    statuses 0 0 0 0
    says_nothing err
    has out 'Usage: cdsr [OPTION...] JOB [ARGUMENT...]'
    [ "$(grep -c Usage: "$work/out")" = 1 ] || complain 'help is printed once'
}

test_version() { # The versions are those of the program and of its libraries.
    ranks 4 --version
    statuses 0 0 0 0
    says_nothing err
    for name in cdsr mpi hdf5 openblas jansson libyaml libunistring zlib libcurl libjpeg libpng libwebp; do
        [ "$(grep -c "^$name [0-9A-Za-z]" "$work/out")" = 1 ] || complain "one version of $name"
    done
}

test_job() { # A job has to be named, and to be one.
    refused "cdsr: error: unknown job 'trian'; did you mean 'train'?" trian x.yaml
    refused 'cdsr: error: no job given; cdsr --help lists them'
}

test_no_sha256() { # Where one rank's OpenSSL is configured without SHA-256, all end, and one says so.
    printf '%s\n' 'openssl_conf = main' '[main]' 'alg_section = properties' '[properties]' \
        'default_properties = "fips=yes"' >"$work/no.cnf"
    cat >"$work/other" <<SH
#!/bin/bash
[ "\$OMPI_COMM_WORLD_RANK" != 1 ] || export OPENSSL_CONF=$work/no.cnf
exec "$CDSR" "\$@"
SH
    chmod +x "$work/other"
    CDSR=$work/other ranks 2 --version
    statuses 1 1
    says err "cdsr: error: rank 1 on $(hostname): libcrypto does not give SHA-256; check the OpenSSL configuration (OPENSSL_CONF)"
    says_nothing out
}

test_options() { # Options that there are not, without their argument or with a wrong one are refused.
    refused "cdsr: error: unrecognized option '--hlep'" --hlep
    refused "cdsr: error: option '--log-level' requires an argument" --log-level
    refused "cdsr: error: --log-level: 'loud' is not one of error, warn, info, debug" --log-level loud
}

test_every_job_has_help() { # Every job that help lists has help of its own, and refuses other options.
    for job in $("$CDSR" --help | awk "/^ Jobs/ {on = 1; next} NF == 0 {on = 0} on {print \$1}"); do
        ranks 4 "$job" --help
        statuses 0 0 0 0
        says_nothing err
        has out "Usage: cdsr $job "
        refused "cdsr: error: $job: unrecognized option '--nonsense'" "$job" --nonsense
    done
}

run_tests "$@"
