#!/usr/bin/env bash
# tests/vala/check-vapi.sh VALAC VAPI SYMBOLS
#
# What the Vala API has, and what it must not have. SYMBOLS is the list of what the library exports.
set -euo pipefail

valac=$1
vapi=$2
symbols=$3
# shellcheck source=tests/tap.sh
source "$(dirname "$0")/../tap.sh"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

types='AsyncFunction AsyncTask BackgroundTaskRunner CommandTask Containment Encoding Function FunctionTask HaltMode
KeepSteps Launcher OutputLimitPolicy OutputMode OutputStream RunError Step StepState Task Worker WorkerExitFunction
WorkerFunction WorkerServer WorkerTask'

# has_types NAME…: the types of the API are just these.
has_types () {
  sed -nE 's/^\tpublic (abstract |sealed )*(class|enum|errordomain|interface|struct) (\w+).*/\3/p;
           s/^\tpublic delegate .* (\w+) \(.*/\1/p' "$vapi" | sort >"$folder/types"
  same "$folder/types" "$(printf '%s\n' "$@" | sort)"
}

# has_functions SKIPPED…: the functions of the API are those that the library exports, but for these, and for those
# of the types.
has_functions () {
  awk '
    /^\tpublic (abstract |sealed )*(class|errordomain) / {
      match ($0, /(class|errordomain) [A-Za-z]+/)
      type = substr ($0, RSTART, RLENGTH)
      sub (/.* /, "", type)
      prefix = type
      gsub (/[A-Z]/, "_&", prefix)
      prefix = tolower (prefix)
    }
    /^\t}/ { prefix = "" }
    /^\t\t?public [^({]*\(/ && !/ (signal|delegate|virtual) / {
      name = substr ($0, 1, index ($0, " (") - 1)
      sub (/.* /, "", name)
      if (name == type || index (name, type ".") == 1)
        name = "new" (name == type ? "" : "_" substr (name, length (type) + 2))
      print "parallel" prefix "_" name
      if (/ async / && sub (/_async$/, "_finish", name))
        print "parallel" prefix "_" name
    }' "$vapi" | LC_ALL=C sort >"$folder/functions"
  same "$folder/functions" "$(grep -vxFf <(printf '%s\n' "$@") "$symbols" | grep -v '_get_type$')"
}

# lacks PATTERN: no line of the API matches it.
lacks () {
  ! grep -nE -- "$1" "$vapi"
}

# compile CODE: as a library, whose public parts are used.
compile () {
  printf 'public void example (%s\n' "$1" >"$folder/example.vala"
  "$valac" --ccode --fatal-warnings --library=example --directory="$folder" --pkg gio-2.0 "$vapi" "$folder/example.vala"
}

# refuse MESSAGE CODE: it is not compiled, with this message.
refuse () {
  local output
  if output=$(compile "$2" 2>&1); then
    echo 'It was compiled.'
    return 1
  fi
  grep -qE -- "$1" <<<"$output" || { echo "$output"; return 1; }
}

# compile_class CODE, refuse_class MESSAGE CODE: the same for the class Example.
compile_class () {
  compile ") {} public class Example : $1"
}

refuse_class () {
  refuse "$1" ") {} public class Example : $2"
}

in_run () {
  echo "Parallel.BackgroundTaskRunner runner, Parallel.Step step) throws Error { $1 }"
}

# shellcheck disable=SC2086
check 'the types are these and no others' has_types $types
check 'the functions are these and no others' has_functions parallel_function_task_new_for_gtask
check 'no varargs' lacks '\.\.\.|va_list'
check 'no raw pointers' lacks 'void\*|\bpointer\b'
check 'no lists of what nobody holds' lacks '<(weak|unowned) '
check 'no type that shadows one of every program' lacks '(class|enum|errordomain|struct|delegate) (Error|Object|Source) '
check 'no private parts' lacks '(Engine|Mailbox|Spool|Sequencer|Spawner|Sink|funcs|padding|_private|for_gtask)\b'
check 'no _finish beside an async method' lacks '_finish \('

check 'an async method without its cancellable' compile \
  'Parallel.BackgroundTaskRunner runner) { wait.begin (runner); }
   public async void wait (Parallel.BackgroundTaskRunner runner) throws Error {
     yield runner.put_async ("x");
     yield runner.next_async ();
     yield runner.wait_async ();
     yield Parallel.run_steps_async (runner.dup_steps (), 1, false);
   }'
check 'a code of the error domain is caught' compile \
  'Parallel.BackgroundTaskRunner runner) {
     try { runner.wait (); } catch (Parallel.RunError.BACKGROUND_FAILURE e) { print (e.message); } catch (Error e) { }
   }'
check 'an error is not forgotten' refuse 'unhandled error .GLib.Error' \
  'Parallel.BackgroundTaskRunner runner) { runner.wait (); }'

check 'the input is read as a property' compile "$(in_run 'print ("%d", (int) step.input);')"
check 'the input is set, until the step is put' compile "$(in_run 'step.input = 1;')"
check 'the state is not written' refuse 'read-only' "$(in_run 'step.state = Parallel.StepState.FAILED;')"
check 'there is no private method of a step' refuse 'does not exist' "$(in_run 'step.settle (1, null);')"
check 'there is no private type' refuse 'could not be found' "$(in_run 'Parallel.Engine? engine = null;')"
check 'there is no GTask function' refuse 'does not exist|could not be found' \
  "$(in_run 'new Parallel.FunctionTask.for_gtask (null);')"

check 'an asynchronous task is derived' compile_class 'Parallel.AsyncTask {
  public override async bool run_async (Parallel.Step step, Cancellable? cancellable) throws Error { return true; } }'
check 'with the parameters that it has' refuse_class 'no suitable method found to override' 'Parallel.AsyncTask {
  public override async bool run_async (Parallel.Step step) throws Error { return true; } }'
for class in Step BackgroundTaskRunner FunctionTask CommandTask WorkerTask Worker WorkerServer Launcher; do
  check "$class is final" refuse_class 'sealed' "Parallel.$class { }"
done
check 'a task has nothing to override' refuse_class 'no suitable method found to override' \
  'Parallel.Task { public override void start (Parallel.Step step) { } }'
check 'a task of no kind is not made' refuse 'abstract|protected' ') { new Parallel.Task (); }'

finish_tests
