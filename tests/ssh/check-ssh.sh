#!/usr/bin/env bash
# tests/ssh/check-ssh.sh COMMAND: the steps of COMMAND, parallel-glib, on a host that is this machine, by an sshd of the test's
# own: on the loopback interface, with keys of its own, and with nothing in the folders of the system but in a name space.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
command=$1
work=
server=0

give_up () {
  echo "1..0 # SKIP $1"
  exit 0
}

clean_up () {
  [ "$server" = 0 ] || kill "$server" 2>/dev/null
  wait
  [ -z "$work" ] || rm -rf "$work"
}
trap clean_up EXIT

# Its folder is made in a file system of its own: the test must leave nothing in /run.
serve () {
  exec unshare --mount bash -c 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"' bash \
    "$sshd" -D -e -f "$work/config" 2>"$work/log"
}

answers () {
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

sshd=$(PATH=$PATH:/usr/sbin command -v sshd) || give_up 'sshd is not installed'
[ "$(id -u)" = 0 ] || give_up 'only root can start an sshd that lets somebody in'
unshare --mount true 2>/dev/null || give_up 'there can be no name space of its own for the sshd'

work=$(mktemp -d) && chmod 700 "$work"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
ssh-keygen -q -t ed25519 -N '' -f "$work/host-key"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
cat >"$work/config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $work/host-key
AuthorizedKeysFile $work/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
END
serve &
server=$!
for ((i = 0; i < 500; i++)); do
  ! answers || break
  kill -0 "$server" 2>/dev/null || give_up "sshd does not start: $(tail -n 1 "$work/log")"
  sleep 0.02
done

to="-p $port -i $work/key -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
to+=' -o LogLevel=ERROR 127.0.0.1'

# on_host ARGUMENT…: the command, with the host.
on_host () {
  timeout -k 5 100 "$command" --ssh="$to" "$@"
}

# shellcheck disable=SC2016
runs_there () {
  same <(on_host -j1 sh -c 'echo "${SSH_CONNECTION%% *} $1"' sh ::: a b c) $'127.0.0.1 a\n127.0.0.1 b\n127.0.0.1 c'
}

# shellcheck disable=SC2016
passes_words () {
  local words=('a  b' "it's" '$HOME' '"' '' '*' '\n' ';')
  same <(on_host printf '<%s>' ::: "${words[@]}" && echo) "$(printf '<%s>' "${words[@]}")"
}

# shellcheck disable=SC2016
keeps_streams_apart () {
  on_host sh -c 'echo out; echo err >&2' ::: a >"$work/out" 2>"$work/err" && same "$work/out" out && same "$work/err" err
}

passes_bytes () {
  head -c 10485760 /dev/urandom >"$work/data"
  on_host cat ::: "$work/data" >"$work/copy" && cmp "$work/data" "$work/copy"
}

# shellcheck disable=SC2016
fails_alike () {
  local there here
  there=$(on_host sh -c 'kill -TERM $$' ::: a 2>&1)
  here=$("$command" sh -c 'kill -TERM $$' ::: a 2>&1)
  # But for how long it took.
  same <(sed 's/([0-9.]* s)//' <<<"$there") "$(sed 's/([0-9.]* s)//' <<<"$here")"
}

says_what_is_missing () {
  on_host /nowhere/program ::: a >"$work/out" 2>&1
  [ $? = 1 ] && grep -q '/nowhere/program' "$work/out"
}

says_what_ssh_says () {
  timeout -k 5 100 "$command" --ssh="-p 1 127.0.0.1" true ::: a >"$work/out" 2>&1
  [ $? = 1 ] && grep -q 'Connection refused' "$work/out"
}

# shellcheck disable=SC2016
leaves_nothing () {
  mkfifo "$work/started"
  "$command" --ssh="$to" sh -c 'echo $$ >"$1"; exec sleep 1000' sh ::: "$work/started" &
  local pid program i
  pid=$!
  read -r program <"$work/started"
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null
  for ((i = 0; i < 1000; i++)); do
    kill -0 "$program" 2>/dev/null || return 0
    sleep 0.01
  done
  return 1
}

check 'the steps run on the host' runs_there
check 'arguments arrive as they are' passes_words
check 'standard output and standard error stay apart' keeps_streams_apart
check '10 MiB arrive byte for byte' passes_bytes
check 'a step fails as it does here' fails_alike
check 'a program that is not there is named' says_what_is_missing
check 'what ssh says is in the error' says_what_ssh_says
check 'nothing is left when the command is killed' leaves_nothing
finish_tests
