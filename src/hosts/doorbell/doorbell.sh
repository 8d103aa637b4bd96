#!/bin/sh
# The hooks' side of the doorbell: what a coding agent runs at its turns to hear of mail.
#
#   doorbell.sh HOST EVENT HOST_PID [FACT..]    tells the model of mail, in the form that the host reads
#   doorbell.sh HOST wait HOST_PID [FACT..]     prints a line for each doorbell while the host lives
#   doorbell.sh HOST rewake HOST_PID [FACT..]   at the first one writes it to standard error and ends with 2
#
# HOST_PID is the host's process: a hook's command knows it as $PPID. A FACT says what is particular to
# the host and the event:
#
#   moment=start|prompt|tool|end       when in a session and its turns the host runs the hook
#   answer=context|block               the line stands beside what the model reads, or is why it goes on
#   folder=process|FIELD               for what the agent's folder is named: what the field of the input has
#   conversation=FIELD|none            the field of the input that names the conversation, or a path with it
#   subagents=told|spared              whether a subagent may be told in the place of its session
#
# The entries of claude, codex and gemini pass none, nor do those of plugin, which the first two share.
# For these the facts are in `recall_facts`.
#
# It meets the agent's adapter in a folder of the home. `bell` holds one line while the agent is to be
# told; the hook that moves it away tells the agent. `turn` says whether the host is busy.
# `conversation` names the host's conversation: a running adapter learns that from nobody else. `waiter`
# is a named pipe; the process in `waiter.pid` reads from it a line when the bell was hung, and an empty
# one when the adapter ended.
#
# It runs at every tool call, and where nothing hangs it starts no other program. A failing hook can
# stop a prompt or a turn: whatever is amiss, it says nothing and ends with 0.

LC_ALL=C

# Of the input: the ids and paths before the event's own fields, which can be large.
input_bytes=8192

# Of a doorbell: what its file has.
line_bytes=256

main() {
  event=$2 host_pid=${3-}
  moment= answer=context folder=process conversation=none subagents=told
  boxes=${PEERLINE_HOME:-$HOME/.peerline}/doorbells
  case $boxes in [!/]*) return ;; esac
  # What another user made is no home of this one's.
  is_own "${boxes%/*}" && is_own "$boxes" || return
  case $host_pid in *[!0-9]*) host_pid= ;; esac
  has_input=
  if [ $# -le 3 ]; then recall_facts "$1"; else shift 3 && take_facts "$@"; fi
  umask 077
  case $event in
    wait | rewake) wait_for_bell ;;
    *) run_hook ;;
  esac
}

take_facts() {
  for fact; do
    case $fact in
      moment=*) moment=${fact#*=} ;;
      answer=*) answer=${fact#*=} ;;
      folder=*) folder=${fact#*=} ;;
      conversation=*) conversation=${fact#*=} ;;
      subagents=*) subagents=${fact#*=} ;;
    esac
  done
}

# The facts of entries that name only their host. Those were installed before entries passed facts.
recall_facts() {
  case $event in
    SessionStart) moment=start ;;
    UserPromptSubmit | BeforeAgent) moment=prompt ;;
    PostToolUse | AfterTool) moment=tool ;;
    Stop | AfterAgent) moment=end ;;
  esac
  case $1 in
    claude) recall_claude ;;
    # Of these two only Claude Code tells its hooks its process; the other may run in its shell.
    plugin) if [ "${CLAUDE_PID:-none}" = "$host_pid" ]; then recall_claude; else recall_codex; fi ;;
    codex) recall_codex ;;
    gemini)
      # At a terminal it names its hooks another session each time. The file that it keeps the
      # conversation in is named for the right one, also after /clear and /resume.
      conversation=transcript_path
      [ "$moment" != end ] || answer=block
      ;;
  esac
}

recall_claude() {
  subagents=spared conversation=session_id
  # Its hooks have the right one in the environment, also after /clear and /resume. An older
  # version's hooks have that of the process that started it, and no process beside it.
  [ "${CLAUDE_PID-}" != "$host_pid" ] || conversation="=${CLAUDE_CODE_SESSION_ID-}"
  # Where nobody sits at the session, its run would not go on before this ends.
  [ "$event" != rewake ] || [ "${CLAUDE_CODE_ENTRYPOINT-}" = cli ] || exit 0
}

recall_codex() {
  folder=session_id
  [ "$moment" != end ] || answer=block
}

run_hook() {
  case $moment in
    start | prompt | end) ;;
    tool)
      set -- "$boxes"/*/bell
      [ -e "$1" ] || return
      ;;
    *) return ;;
  esac
  find_box || make_box || return
  line= is_new=
  case $moment in start | prompt) pass_conversation ;; esac
  # A bell that was hung in another conversation may be for another agent: its adapter sees to that.
  [ -n "$is_new" ] || [ ! -e "$box/bell" ] || is_subagent || take_bell
  case $moment in
    prompt) write_turn busy ;;
    # A doorbell makes the turn go on.
    end) [ -n "$line" ] || write_turn idle ;;
  esac
  [ -z "$line" ] || print_for_host
}

is_own() {
  [ ! -e "$1" ] || [ -O "$1" ]
}

# Sets the agent's folder: named for the host's process, or for the session where one process runs many.
find_box() {
  id=
  if [ "$folder" != process ]; then
    # A subagent is a session, with an adapter of its own. A session that has called no tool yet is
    # found by its process, unless several of that process are as new.
    read_input
    if find_id agent_id; then host_pid=; else find_id "$folder"; fi
    case $id in '' | */* | .*) ;; *) box=$boxes/$id && [ -d "$box" ] && return ;; esac
  fi
  name_box
  [ -n "$host_pid" ] && [ -d "$box" ] || return
  [ "$folder" = process ] || [ ! -e "$box/shared" ]
}

# A number alone is another process's in another container, or after a boot. Where the system tells, the
# name says when the process began, and the boot.
name_box() {
  box=$boxes/pid-$host_pid
  { read -r stat <"/proc/$host_pid/stat" && read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || return 0
  # After the program's name, which can hold spaces, the 20th word.
  set -- ${stat##*) }
  [ -z "${20-}" ] || box=$box-${20}-${boot%%-*}
}

# The host may begin before its adapter does, or to an adapter that looks for it.
make_box() {
  [ "$moment" = start ] && [ "$folder" = process ] && [ -n "$host_pid" ] || return
  [ -d "$boxes" ] && mkdir "$box" 2>/dev/null
}

# Tells the adapter the conversation that the host is in, if it has changed.
pass_conversation() {
  case $conversation in
    none) return ;;
    =*) id=${conversation#=} ;;
    *)
      read_input
      find_id "$conversation" || return
      # In a path the id is the end of the file's name, if the file is that of a conversation.
      case $id in
        */session-*-????????.jsonl) id=${id%.jsonl} && id=${id##*-} ;;
        */*) return ;;
      esac
      ;;
  esac
  case $id in '' | .* | *[!A-Za-z0-9._-]*) return ;; esac
  known=
  if [ -e "$box/conversation" ] || [ -L "$box/conversation" ]; then
    is_file conversation || return
    { read -r known <"$box/conversation"; } 2>/dev/null
  fi
  [ "$known" != "$id" ] || return
  is_new=yes
  { echo "$id" >"$box/conversation"; } 2>/dev/null
}

# No link to elsewhere, and nothing that would hold this up.
is_file() {
  [ ! -L "$box/$1" ] && [ -f "$box/$1" ]
}

# Some hosts' subagents run hooks as their session, whose mail is not for them.
is_subagent() {
  [ "$subagents" = spared ] || return 1
  read_input
  find_id agent_id
}

# Without waiting for its end, and only up to the event's name: what follows can hold any names.
read_input() {
  [ -z "$has_input" ] || return
  has_input=yes
  input=$(dd bs="$input_bytes" count=1 2>/dev/null)
  input=${input%%\"hook_event_name\":*}
}

# Quotes within a text of JSON are escaped, so that this finds names only.
find_id() {
  case $input in *"\"$1\":\""*) ;; *) return 1 ;; esac
  id=${input#*"\"$1\":\""}
  id=${id%%\"*}
}

# Sets the line if the bell was there to be taken. It goes into JSON: what a doorbell cannot hold is dropped.
take_bell() {
  is_file bell || return
  rung=$box/rung.$$
  mv -f "$box/bell" "$rung" 2>/dev/null || return
  line=$(dd bs="$line_bytes" count=1 2>/dev/null <"$rung")
  rm -f "$rung"
  case $line in
    *[!A-Za-z0-9\ .,:@_-]*) line= ;;
    "Peerline: "[0-9]*" unread"*". Call get_messages.") ;;
    *) line= ;;
  esac
}

write_turn() {
  is_file turn || { [ ! -e "$box/turn" ] && [ ! -L "$box/turn" ]; } || return
  { echo "$1" >"$box/turn"; } 2>/dev/null
}

print_for_host() {
  case $answer in
    block)
      echo "{\"decision\":\"block\",\"reason\":\"$line\"}"
      ;;
    *)
      echo "{\"hookSpecificOutput\":{\"hookEventName\":\"$event\",\"additionalContext\":\"$line\"}}"
      ;;
  esac
}

wait_for_bell() {
  # The host may run this before it starts the adapter.
  find_box || { [ -n "$host_pid" ] && mkdir -p "$box" 2>/dev/null; } || return
  take_place || return
  trap leave_place EXIT
  trap 'exit 0' HUP INT TERM
  [ -p "$box/waiter" ] || mkfifo "$box/waiter" 2>/dev/null
  line=
  # The pipe is opened for writing too. So reading never meets an end, and there is always a reader.
  read_waiter 2>/dev/null 3<>"$box/waiter"
  [ "$event" = wait ] || [ -z "$line" ] || { echo "$line" >&2 && exit 2; }
}

# One that waits by the hour takes the place of one that ends with a bell, and not the other way round.
take_place() {
  if [ "$event" = rewake ] && read_holder && kill -0 "$holder" 2>/dev/null; then return 1; fi
  { echo $$ >"$box/waiter.pid"; } 2>/dev/null
}

leave_place() {
  read_holder && [ "$holder" = $$ ] || return
  rm -f "$box/waiter" "$box/waiter.pid"
  # An adapter that ended before this left the folder to it.
  [ -e "$box/adapter.pid" ] || rm -rf "$box"
}

is_host_alive() {
  kill -0 "$host_pid" 2>/dev/null || return
  # One that was killed is there until its parent has noticed.
  sleep 1
  kill -0 "$host_pid" 2>/dev/null
}

read_holder() {
  { read -r holder <"$box/waiter.pid"; } 2>/dev/null && [ -n "$holder" ]
}

read_waiter() {
  # What was hung before anybody waited would wake nobody. While the host is busy its hooks tell it.
  turn=idle
  ! is_file turn || { read -r turn <"$box/turn"; } 2>/dev/null
  [ "$turn" = busy ] || take_bell
  while :; do
    if [ -n "$line" ]; then
      [ "$event" = wait ] || return
      echo "$line" || return
    fi
    read_holder && [ "$holder" = $$ ] || return
    IFS= read -r word <&3 || return
    line=
    if [ -n "$word" ]; then
      take_bell
    elif ! is_host_alive; then
      # Another that lost its place may wait as well.
      echo >&3
      return
    fi
  done
}

main "$@"
exit 0
