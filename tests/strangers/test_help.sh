#!/bin/sh
# tests/strangers/test_help.sh - every role and verb says how it is used, with an example, on a terminal of 100 columns, and
# refuses what it does not know in one line, with status 2.
. "$(dirname "$0")/lib.sh"
enter "$@"
limpet=$PWD/build/limpet
[ -x "$limpet" ] || skip "build/limpet is not built"

widest() {
	awk 'length > max { max = length } END { print max + 0 }' "$1"
}
# helps COMMAND...: what the last words "--help" or "-h" print
helps() {
	name=$1
	"$limpet" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	check "status 0: $*" test $? = 0
	check "nothing on standard error: $*" test ! -s "$dir/err"
	check "a usage line first: $*" grep -q "^usage: limpet $name\( \|$\)" "$dir/out"
	check "one usage line: $*" test "$(grep -c '^usage: ' "$dir/out")" = 1
	check "at most 100 columns, not $(widest "$dir/out"): $*" test "$(widest "$dir/out")" -le 100
	check "no blanks at the end of a line: $*" test "$(grep -c ' $' "$dir/out")" = 0
	check "one example, of this command: $*" test "$(grep -A 1 '^Example:$' "$dir/out" | grep -c "^  \(sudo \)\{0,1\}limpet $name\( \|$\)")" = 1
}
# refuses_line COMMAND...: wrong usage
refuses_line() {
	"$limpet" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	check "status 2: $*" test $? = 2
	check "one line: $*" test "$(wc -l <"$dir/err")" = 1
	check "which says that it is an error: $*" grep -q '^error: ..' "$dir/err"
	check "nothing on standard output: $*" test ! -s "$dir/out"
}

"$limpet" --help >"$dir/help" 2>&1
check "limpet --help ends with status 0" test $? = 0
check "limpet --help has at most 100 columns, not $(widest "$dir/help")" test "$(widest "$dir/help")" -le 100
for word in -h help; do
	"$limpet" $word >"$dir/same" 2>&1
	check "limpet $word is the same" cmp -s "$dir/help" "$dir/same"
done
commands=$(awk '/^  [a-z]/ { print $1 }' "$dir/help")
check "limpet --help lists roles and verbs" test "$(echo "$commands" | grep -cx 'up\|manager\|join\|agent\|get\|apply\|token')" = 7

for command in $commands; do
	helps "$command" --help
	cp "$dir/out" "$dir/same"
	helps "$command" -h
	check "-h and --help are the same: $command" cmp -s "$dir/out" "$dir/same"
	refuses_line "$command" --no-such-flag
	check "it names the flag: $command" grep -q 'unknown flag: --no-such-flag\|needs a command' "$dir/err"
done
refuses_line nosuchcommand
for command in get describe create delete logs exec run expose taint wait token image node "up word" "manager word" "agent word" "down word" join; do
	# shellcheck disable=SC2086	# words
	refuses_line $command
done
finish
