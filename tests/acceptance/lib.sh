# What the acceptance scripts share; sourced by them. Each works on a clean clone
# of HEAD in a directory of its own, prints its figures, and exits with 1 when a
# check did not hold.
# shellcheck shell=bash

repository=$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse --show-toplevel)
work=$(mktemp -d "${TMPDIR:-/tmp}/paperboy-acceptance-XXXXXX")
clone=$work/clone
failures=0

remove_work() { rm -rf "$work"; }
trap remove_work EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '%s\n' "$*"; }

# check TEXT COMMAND...: prints "ok TEXT" or "FAILED TEXT", and counts the latter.
check() {
  local text=$1
  shift
  if "$@"; then
    say "ok      $text"
  else
    say "FAILED  $text"
    failures=$((failures + 1))
  fi
}

# The last line of every script: its verdict.
finish() {
  if ((failures > 0)); then
    say "$(basename "$0"): $failures checks FAILED"
    exit 1
  fi
  say "$(basename "$0"): passed"
}

# Clones HEAD. Objects that an earlier clone compiled are found again in ccache,
# wherever that clone lay.
clone_head() {
  git clone --quiet --no-local "$repository" "$clone"
  say "clone of $(git -C "$clone" log -1 --format='%h %s')"
  export CCACHE_BASEDIR=$clone CCACHE_NOHASHDIR=1
  unset OPENAI_API_KEY PAPERBOY_HOME
}

# Runs a command in the clone; the script itself stays outside, where
# nothing_runs_in does not count it.
in_clone() (cd "$clone" && "$@")

# quietly LOG COMMAND...: its output goes to a file, of which the end is shown if it fails.
quietly() { "${@:2}" > "$1" 2>&1 || { tail -n 30 "$1"; return 1; }; }

# The first Debian archive in this machine's own sources.
debian_mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2> /dev/null |
    sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) bookworm .*/\2/p' |
    grep -m 1 -E '/debian/?$'
}

# processes_in DIR: ids and names of the processes that run from, or in, DIR.
processes_in() {
  local link target
  for link in /proc/[0-9]*/exe /proc/[0-9]*/cwd /proc/[0-9]*/root; do
    target=$(readlink "$link" 2> /dev/null) || continue
    if [[ $target == "$1" || $target == "$1"/* ]]; then
      printf '%s %s\n' "$(basename "$(dirname "$link")")" "$(cat "${link%/*}/comm" 2> /dev/null)"
    fi
  done | sort -u
}

nothing_runs_in() {
  local left
  left=$(processes_in "$1")
  [[ -z $left ]] || { say "$left"; return 1; }
}

# funnel NAME SUMMARY: the number that the fetcher's summary prints for NAME.
funnel() {
  awk -v name="$1" '{
    number = $NF
    line = $0
    sub(/[ ]+[0-9,]+$/, "", line)
    gsub(/^[ ]+/, "", line)
    if (line == name && number ~ /^[0-9,]+$/) { gsub(/,/, "", number); print number; exit }
  }' <<< "$2"
}

# funnel_adds_up SUMMARY
funnel_adds_up() {
  local name n=()
  for name in arXiv refused 'not wanted' 'seen before' scanned 'author gated' 'title dropped' \
    'below cut-off' selected unscored; do
    n+=("$(funnel "$name" "$1")")
    [[ -n ${n[-1]} ]] || { say "the summary has no line \"$name\""; return 1; }
  done
  say "        ${n[0]} = ${n[1]} + ${n[2]} + ${n[3]} + ${n[4]};  ${n[4]} = ${n[5]} + ${n[6]} + ${n[7]} + ${n[8]} + ${n[9]}"
  ((n[0] > 0 && n[0] == n[1] + n[2] + n[3] + n[4] && n[4] == n[5] + n[6] + n[7] + n[8] + n[9]))
}

# page_of SUMMARY: the path of the page that the summary names.
page_of() { awk '$1 == "page" { print $2; exit }' <<< "$1"; }

# The papers of the sample announcement that are of the default profile's subject.
subject_ids=(
  2609.90016 2609.90113 2609.90124 2609.90125 2609.90147 2609.90152 2609.90154 2609.90155
  2609.90165 2609.90171 2609.90244 2609.90245 2609.90271 2609.90277 2609.90306 2609.90325
  2609.90330 2609.90398
)

# first_papers_of_subject PAGE: whether its first three papers are.
first_papers_of_subject() {
  local ids id
  mapfile -t ids < <(sed -n 's/^\*\*ArXiv ID:\*\* //p' "$1" | head -n 3)
  say "        ${ids[*]}"
  [[ ${#ids[@]} -eq 3 ]] || return 1
  for id in "${ids[@]}"; do
    [[ " ${subject_ids[*]} " == *" $id "* ]] || return 1
  done
}

# build_programs [TARGET...]: builds the three programs in the clone, or some.
build_programs() {
  in_clone deploy/local/install
  in_clone cmake --preset release -DPAPERBOY_TESTS=OFF > /dev/null
  in_clone cmake --build --preset release ${1:+--target "$@"} > "$work/build.log" || { tail -n 40 "$work/build.log"; exit 1; }
}

# build_test NAME: builds one test and the programs that it runs.
build_test() {
  in_clone deploy/local/install --tests
  in_clone cmake --preset release > /dev/null
  in_clone cmake --build --preset release --target "$1" > "$work/build.log" || { tail -n 40 "$work/build.log"; exit 1; }
}

# run_test NAME FILTER: runs the test's cases that match and prints what they print.
run_test() {
  local code
  in_clone "build/release/tests/$1" --gtest_filter="$2" > "$work/test.log" 2>&1 && code=0 || code=$?
  if ((code == 0)); then grep -vE '^\[ RUN|^\[---|^\[===|^$|^Running main|^Note:' "$work/test.log"; else tail -n 60 "$work/test.log"; fi
  grep -qE '^\[  PASSED  \] [1-9][0-9]* tests?\.' "$work/test.log" && ((code == 0))
}

# run_bench ARGUMENT...: runs the quota benchmark (with --peer the peer too) and prints
# its table; fails when a row does not hold.
run_bench() {
  in_clone tests/bench/run "$@" 2> "$work/bench.err" || { tail -n 10 "$work/bench.err"; return 1; }
}
