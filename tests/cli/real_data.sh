# The real data sets give the counts that are known of them.
. "$(dirname "$0")/common.bash"
data=${CDSR_SHARED:-/absent}/data
[ -d "$data" ] || skip "no real data at $data"
cd "$work" || exit 1

test_food_kitchen() { # A C2DSR folder, on two ranks.
    ranks 2 prepare --format c2dsr "$data/food-kitchen" -o food.h5
    statuses 0 0
    has out 'items: 8661 of A, 27637 of B'
    has out 'train: 51164 sequences, 402268 events; 7501 mixed, 5472 A only, 38191 B only'
    has out 'valid: 960 sequences, 18133 events; 960 mixed, 0 A only, 0 B only; targets A 363, B 597'
    has out 'test: 937 sequences, 15726 events; 937 mixed, 0 A only, 0 B only; targets A 300, B 637'
}

test_art_office() { # A C2DSR folder with tags, of which the last 30 events count.
    ranks 1 prepare --format c2dsr "$data/art-office" --max-len 30 -o art.h5
    statuses 0
    has out 'items: 18639 of A, 19757 of B'
    has out 'train: 16000 sequences'
    has out 'valid: 1154 sequences'
    has out 'test: 2000 sequences'
    has out 'tags: 13375, 4.86 per item'
}

test_afk() { # Interactions, split by leave-one-out.
    ranks 1 prepare --format interactions "$data/afk" --max-len 50 -o afk.h5
    statuses 0
    has out 'items: 11837 of A, 16258 of B'
    has out 'train: 7144 sequences, 159260 events'
    has out 'test: 7144 sequences, 173548 events'
    has out 'leak: training events later than a held-out target of their user: 0'
}

run_tests "$@"
