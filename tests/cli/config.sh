# Configurations that are refused: one line with file and line, the same exit status everywhere.
. "$(dirname "$0")/common.bash"
cd "$work" || exit 1

printf 'train:\n  epochs: 1\n  lrr: 1\n' >key.yaml
refused "cdsr: error: key.yaml:3: unknown key 'train.lrr'; did you mean 'train.lr'?" train key.yaml

printf 'trian: {epochs: 1}\n' >section.yaml
refused "cdsr: error: section.yaml:1: unknown section 'trian'; did you mean 'train'?" \
    train section.yaml

printf 'train:\n  lr: fast\n' >value.yaml
refused "cdsr: error: value.yaml:2: train.lr: 'fast' is not a number in [0, inf)" train value.yaml

printf 'train: {lr: 1\n' >syntax.yaml
ranks 4 train syntax.yaml
statuses 2 2 2 2
has err 'cdsr: error: syntax.yaml:2: not YAML: '
[ "$(wc -l <"$work/err")" = 1 ] || complain "one line, but: $(cat "$work/err")"

printf 'train: {epochs: 1}\n' >good.yaml
refused "cdsr: error: command line: unknown key 'model.dropuot'; did you mean 'model.dropout'?" \
    train good.yaml model.dropuot=0.1
refused "cdsr: error: command line: 'fast' is not key=value" train good.yaml fast
refused 'cdsr: error: model.name: '\''unknown'\'' is not one of llm_emf, tema_llm, sema_cdr, sasrec' \
    train good.yaml model.name=unknown
refused 'cdsr: error: model.heads: 3 heads do not divide model.dim 256' train good.yaml model.heads=3

ranks 4 train absent.yaml
statuses 3 3 3 3
says err 'cdsr: error: absent.yaml: No such file or directory'
finish
