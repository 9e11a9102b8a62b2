/* parallel-agent-relay.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-agent-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib-unix.h>

#include "parallel-agent-link.h"
#include "parallel-agent-listener.h"
#include "parallel-engine.h"
#include "parallel-exec-protocol.h"
#include "parallel-exec-reports.h"
#include "parallel-fd.h"
#include "parallel-frame.h"
#include "parallel-guardian.h"
#include "parallel-spawner.h"

/* The half that the runner has started in the place of its worker. It ends as the worker has ended.
 *
 * The launcher is told to stop by the end of its standard input, then by SIGTERM and at last by SIGKILL, to its one process
 * id: a launcher that is killed with its group cannot tidy up. If this program is killed itself, the launcher is stopped by
 * the kernel, and the agent sees the end of its input. Signals are for the worker; instead of SIGKILL there is
 * PARALLEL_EXEC_SIGNAL_KILL, for the worker and all that it has started. */

/* How long the agent may take to come, in seconds: resources have been waited for before. */
#define HELLO_TIME 30

/* How long the launcher may take to end at each stage, in microseconds. */
#define LAUNCHER_TIME (G_USEC_PER_SEC / 2)

/* How long the commands that cancel may take together. */
#define CANCEL_TIME (5 * G_USEC_PER_SEC)

/* How long it may take to hear that the worker was killed. */
#define KILL_TIME G_USEC_PER_SEC

#define SIGNS 4

/* Where the token stands in the runner's START frame. */
#define TOKEN_AT 17

/* Of what the launcher itself says. */
#define MAX_SAID 4096

typedef struct
{
  /* Constant. */
  char                **argv;
  char                **env;
  char                 *cwd;
  char                 *place;
  double                deadline;     /* seconds */
  gboolean              trusts_status;
  char                **cancel;       /* or NULL */
  guint8                cookie[2 * PARALLEL_AGENT_COOKIE_SIZE]; /* the agent's, and the answer to it */

  ParallelSpawnRequest  request;
  ParallelSpawned       launcher;
  gboolean              launcher_ended;
  ParallelAgentLink    *stdio;
  ParallelAgentReader  *launcher_says;
  GString              *said;
  ParallelAgentListener *listener;    /* until HELLO, or NULL */
  ParallelAgentLink    *socket;
  ParallelAgentLink    *link;         /* the one over which HELLO came */
  char                 *job;
  char                 *step;
  GSource              *no_runner;    /* until HELLO */
  ParallelAgentReader  *input;        /* from the runner; NULL until HELLO */
  ParallelAgentWriter  *answers;
  ParallelAgentWriter  *output;
  GSource              *signals;
  GSource              *clock;
  gboolean              is_over;      /* the worker has ended, or is lost */
  gboolean              is_cancelling;
  gboolean              was_cancelled;
  guint8                start[TOKEN_AT + PARALLEL_FRAME_TOKEN_SIZE]; /* of the runner's first frame */
  gsize                 n_start;
  guint                 stage;        /* of stopping the launcher */
  int                   wait_status;  /* to end with */
} Relay;

static Relay relay;

static void
set_clock (GSourceFunc func,
           gint64      delay)
{
  parallel_source_clear (&relay.clock);
  relay.clock = parallel_engine_add_timer (g_get_monotonic_time () + delay, func, NULL);
}

/* ---- the end ---- */

/* What was still to be written to the runner is. */
static void
exit_if_written (void)
{
  if (parallel_agent_writer_get_pending (relay.answers) == 0 && parallel_agent_writer_get_pending (relay.output) == 0)
    parallel_agent_exit_as (relay.wait_status);
}

static gboolean
cancelled_cb (gpointer user_data)
{
  parallel_agent_exit_as (relay.wait_status);
  return G_SOURCE_REMOVE;
}

static void
canceller_exited_cb (int      pid,
                     int      wait_status,
                     gpointer user_data)
{
  relay.was_cancelled = TRUE;
  exit_if_written ();
}

static char *
replace_ids (const char *word)
{
  g_auto (GStrv) job_parts = g_strsplit (word, "{job}", -1);
  g_autofree char *with_job = g_strjoinv (relay.job, job_parts);
  g_auto (GStrv) step_parts = g_strsplit (with_job, "{step}", -1);

  return g_strjoinv (relay.step, step_parts);
}

/* The launcher did not end by itself, so that what it has started may be there still. */
static gboolean
cancel (void)
{
  ParallelSpawnRequest request = { .stdin_fd = -1, .merge_stderr = TRUE };
  ParallelSpawned spawned;
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);

  if (relay.is_cancelling)
    return TRUE;
  if (relay.cancel == NULL || relay.job == NULL || relay.step == NULL)
    return FALSE;

  for (guint i = 0; relay.cancel[i] != NULL; i++)
    g_ptr_array_add (words, replace_ids (relay.cancel[i]));
  g_ptr_array_add (words, NULL);
  request.argv = (const char * const *) words->pdata;
  if (!parallel_spawner_spawn (&request, &spawned, NULL))
    return FALSE;

  relay.is_cancelling = TRUE;
  parallel_spawner_watch (&spawned, canceller_exited_cb, NULL);
  set_clock (cancelled_cb, CANCEL_TIME);
  return TRUE;
}

static gboolean
stop_launcher_cb (gpointer user_data)
{
  relay.stage++;
  if (relay.stage == 1)
    kill (relay.launcher.pid, SIGTERM);
  else if (relay.stage == 2)
    kill (relay.launcher.pid, SIGKILL);
  else
    {
      if (!cancel ())
        parallel_agent_exit_as (relay.wait_status);
      return G_SOURCE_REMOVE;
    }

  g_source_set_ready_time (relay.clock, g_get_monotonic_time () + LAUNCHER_TIME);
  return G_SOURCE_CONTINUE;
}

/* @at_once: its agent will not end by itself. */
static void
end_with (int      wait_status,
          gboolean at_once)
{
  if (relay.is_over)
    return;

  relay.is_over = TRUE;
  relay.wait_status = wait_status;
  if (relay.input != NULL)
    parallel_agent_reader_set_paused (relay.input, TRUE);
  parallel_agent_link_close (relay.stdio);
  if (relay.socket != NULL)
    parallel_agent_link_close (relay.socket);

  if (relay.launcher_ended)
    exit_if_written ();
  else
    set_clock (stop_launcher_cb, at_once ? 0 : LAUNCHER_TIME);
}

static void
keep_start (const guint8 *data,
            gsize         size)
{
  gsize n = MIN (size, sizeof relay.start - relay.n_start);

  memcpy (relay.start + relay.n_start, data, n);
  relay.n_start += n;
}

/* Says something to the runner, which no worker can say in its place, since it has told the token to nobody else. */
static void
speak (const char *text)
{
  g_autoptr (GByteArray) mark = g_byte_array_new ();
  guint8 data[sizeof relay.start];
  gssize n;

  /* Where no worker has come it was not needed yet. */
  while (relay.n_start < sizeof relay.start &&
         (n = recv (STDIN_FILENO, data, sizeof relay.start - relay.n_start, MSG_DONTWAIT)) > 0)
    keep_start (data, n);
  if (relay.n_start == sizeof relay.start)
    parallel_frame_put_mark (mark, relay.start + TOKEN_AT, PARALLEL_AGENT_SPEAKS);
  parallel_agent_writer_write (relay.output, mark->data, mark->len);
  parallel_agent_writer_write (relay.output, text, strlen (text));
}

static void
lose (const char *why)
{
  g_autofree char *said = NULL;
  g_autofree char *text = NULL;

  if (relay.is_over)
    return;

  /* It has said so before it closed what this side has seen the end of. */
  parallel_agent_reader_drain (relay.launcher_says);
  said = g_utf8_make_valid (relay.said->str, relay.said->len);
  g_strstrip (said);
  text = g_strdup_printf ("on %s is lost: %s%s%s", relay.place, why, said[0] != '\0' ? "; the launcher says: " : "",
                          said);
  speak (text);
  end_with (W_EXITCODE (PARALLEL_AGENT_EXIT_LOST, 0), TRUE);
}

/* ---- to the runner ---- */

static void
pause_if_full (void)
{
  gboolean full = parallel_agent_writer_get_pending (relay.answers) > PARALLEL_AGENT_FULL ||
                  parallel_agent_writer_get_pending (relay.output) > PARALLEL_AGENT_FULL;

  if (relay.link != NULL)
    parallel_agent_link_set_paused (relay.link, full);
}

static void
stream_drained_cb (gpointer owner)
{
  if (relay.is_over && (relay.launcher_ended || relay.was_cancelled))
    exit_if_written ();
  pause_if_full ();
}

static const ParallelAgentWriterFuncs stream_funcs = { .drained = stream_drained_cb, .broken = stream_drained_cb };

/* ---- from the runner ---- */

static void
input_cb (gpointer      owner,
          const guint8 *data,
          gsize         size)
{
  keep_start (data, size);
  parallel_agent_link_send (relay.link, PARALLEL_AGENT_INPUT, data, size);
  parallel_agent_reader_set_paused (relay.input, parallel_agent_link_get_pending (relay.link) > PARALLEL_AGENT_FULL);
}

static void
input_ended_cb (gpointer owner)
{
  parallel_agent_link_send (relay.link, PARALLEL_AGENT_END, NULL, 0);
}

static const ParallelAgentReaderFuncs input_funcs = { .data = input_cb, .ended = input_ended_cb };

static gboolean
not_killed_cb (gpointer user_data)
{
  end_with (W_EXITCODE (0, SIGKILL), TRUE);
  return G_SOURCE_REMOVE;
}

/* @number: that the worker gets. */
static void
pass_on (guint8 number)
{
  if (relay.is_over)
    return;
  if (relay.link == NULL)
    {
      end_with (W_EXITCODE (0, number), TRUE);
      return;
    }

  parallel_agent_link_send (relay.link, PARALLEL_AGENT_SIGNAL, &number, 1);
  if (number == SIGKILL)
    set_clock (not_killed_cb, KILL_TIME);
}

/* The worker is not needed any more, and it has not come yet. */
static gboolean
no_runner_cb (int          fd,
              GIOCondition condition,
              gpointer     user_data)
{
  end_with (0, TRUE);
  return G_SOURCE_REMOVE;
}

static gboolean
signal_cb (int          fd,
           GIOCondition condition,
           gpointer     user_data)
{
  struct signalfd_siginfo info;

  if (read (fd, &info, sizeof info) == sizeof info)
    pass_on (info.ssi_signo == PARALLEL_EXEC_SIGNAL_KILL ? SIGKILL : info.ssi_signo);
  return G_SOURCE_CONTINUE;
}

static void
watch_signals (void)
{
  static const int numbers[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
                                 PARALLEL_EXEC_SIGNAL_KILL };
  sigset_t set;
  int fd;

  sigemptyset (&set);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    sigaddset (&set, numbers[i]);
  fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  relay.signals = g_unix_fd_source_new (fd, G_IO_IN);
  g_source_set_callback (relay.signals, G_SOURCE_FUNC (signal_cb), NULL, NULL);
  g_source_attach (relay.signals, g_main_context_get_thread_default ());
}

/* ---- the agent ---- */

static gboolean
no_hello_cb (gpointer user_data)
{
  g_autofree char *why = g_strdup_printf ("the launcher has not brought it about within %d s", HELLO_TIME);

  lose (why);
  return G_SOURCE_REMOVE;
}

static gboolean
clock_cb (gpointer user_data)
{
  gint64 limit = relay.deadline * G_USEC_PER_SEC;
  gint64 silent = g_get_monotonic_time () - parallel_agent_link_get_heard (relay.link);

  if (silent > limit)
    {
      g_autofree char *why = g_strdup_printf ("there was no sign of life for %.1f s", relay.deadline);

      lose (why);   /* which has set another clock */
      return G_SOURCE_REMOVE;
    }

  parallel_agent_link_send (relay.link, PARALLEL_AGENT_ALIVE, NULL, 0);
  g_source_set_ready_time (relay.clock, g_get_monotonic_time () + limit / SIGNS);
  return G_SOURCE_CONTINUE;
}

static void
take_hello (ParallelAgentLink *link,
            const guint8      *data,
            gsize              size)
{
  g_autoptr (GVariant) value = parallel_agent_parse_dict (data, size);
  g_autoptr (GVariantDict) dict = g_variant_dict_new (value);

  g_variant_dict_lookup (dict, "job", "s", &relay.job);
  g_variant_dict_lookup (dict, "step", "s", &relay.step);
  relay.link = link;
  g_clear_pointer (&relay.listener, parallel_agent_listener_free);
  parallel_source_clear (&relay.no_runner);
  relay.input = parallel_agent_reader_new (parallel_fd_duplicate (STDIN_FILENO), &input_funcs, NULL);
  set_clock (clock_cb, relay.deadline * G_USEC_PER_SEC / SIGNS);
}

static void
take_exited (const guint8 *data,
             gsize         size)
{
  g_autoptr (GVariant) value = parallel_agent_parse_dict (data, size);
  g_autoptr (GVariantDict) dict = g_variant_dict_new (value);
  g_autofree char *failure = NULL;
  int wait_status = W_EXITCODE (PARALLEL_AGENT_EXIT_LOST, 0);

  if (g_variant_dict_lookup (dict, "failure", "s", &failure))
    {
      g_autofree char *text = g_strdup_printf ("cannot be started on %s: %s", relay.place, failure);

      speak (text);
    }
  else
    g_variant_dict_lookup (dict, "status", "i", &wait_status);
  end_with (wait_status, FALSE);
}

static void
frame_cb (gpointer           owner,
          ParallelAgentLink *link,
          guint              kind,
          const guint8      *data,
          gsize              size)
{
  if (relay.is_over)
    return;

  if (kind == PARALLEL_AGENT_HELLO && relay.link == NULL)
    take_hello (link, data, size);
  else if (kind == PARALLEL_AGENT_EXITED)
    take_exited (data, size);
  else if (kind == PARALLEL_AGENT_ANSWERS && link == relay.link)
    parallel_agent_writer_write (relay.answers, data, size);
  else if (kind == PARALLEL_AGENT_OUTPUT && link == relay.link)
    parallel_agent_writer_write (relay.output, data, size);
  pause_if_full ();
}

static void
drained_cb (gpointer owner)
{
  if (relay.input != NULL && !relay.is_over)
    parallel_agent_reader_set_paused (relay.input, FALSE);
}

static void
lose_launcher (int wait_status)
{
  g_autofree char *preface = parallel_agent_link_dup_preface (relay.stdio);
  g_autoptr (GError) status = NULL;
  g_autofree char *why = NULL;

  if (relay.trusts_status && wait_status != PARALLEL_EXIT_LOST)
    g_spawn_check_wait_status (wait_status, &status);
  why = g_strdup_printf ("the launcher has ended before the worker was there%s%s%s%s%s",
                         preface != NULL ? ", and said only “" : "", preface != NULL ? preface : "",
                         preface != NULL ? "”" : "", status != NULL ? ": " : "",
                         status != NULL ? status->message : "");
  lose (why);
}

static gboolean
launcher_closed_cb (gpointer user_data)
{
  lose_launcher (PARALLEL_EXIT_LOST);
  return G_SOURCE_REMOVE;
}

/* Where there is a socket the standard output says nothing more. Before the worker is there, the launcher's end, which says
 * why, is likely to be near. */
static void
ended_cb (gpointer           owner,
          ParallelAgentLink *link,
          const char        *why)
{
  gboolean is_eof = link == relay.stdio && parallel_agent_link_has_ended (link);

  if (relay.is_over || (relay.link != NULL && relay.link != link) || (relay.link == NULL && link == relay.socket))
    return;

  if (relay.link == NULL && is_eof && !relay.launcher_ended)
    set_clock (launcher_closed_cb, LAUNCHER_TIME);
  else
    lose (why);
}

static const ParallelAgentLinkFuncs link_funcs = { .frame = frame_cb, .drained = drained_cb, .ended = ended_cb };

/* ---- the agent's own connection ---- */

static void
called_cb (int fd)
{
  relay.socket = parallel_agent_link_new (fd, fd, FALSE, &link_funcs, NULL);
}

/* ---- the launcher ---- */

static void
launcher_said_cb (gpointer      owner,
                  const guint8 *data,
                  gsize         size)
{
  g_string_append_len (relay.said, (const char *) data, size);
  if (relay.said->len > MAX_SAID)
    g_string_erase (relay.said, 0, relay.said->len - MAX_SAID);
}

static void
launcher_silent_cb (gpointer owner)
{
}

static const ParallelAgentReaderFuncs launcher_funcs = { .data = launcher_said_cb, .ended = launcher_silent_cb };

static void
launcher_exited_cb (int      pid,
                    int      wait_status,
                    gpointer user_data)
{
  g_autoptr (GError) failure = parallel_spawner_take_failure (pid, &relay.request);

  parallel_exec_reports_forget (pid);
  relay.launcher_ended = TRUE;
  /* Its end may be told before what came in front of it. */
  if (relay.link == NULL && !relay.is_over)
    parallel_agent_link_drain (relay.stdio);
  if (relay.link == NULL && !relay.is_over && relay.socket != NULL)
    parallel_agent_link_drain (relay.socket);
  if (failure != NULL)
    lose (failure->message);
  else if (relay.is_over)
    {
      if (relay.stage == 0 || !cancel ())
        exit_if_written ();
    }
  else if (relay.link == NULL)
    lose_launcher (wait_status);
}

static gboolean
start_launcher (char    **launcher,
                GError  **error)
{
  int fds[2];

  if (pipe2 (fds, O_CLOEXEC) != 0)
    {
      g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
      return FALSE;
    }

  relay.request = (ParallelSpawnRequest) {
    .argv = (const char * const *) launcher, .stdin_fd = fds[0], .unguarded = TRUE
  };
  if (!parallel_spawner_spawn (&relay.request, &relay.launcher, error))
    {
      close (fds[1]);
      return FALSE;
    }

  relay.stdio = parallel_agent_link_new (relay.launcher.stdout_fd, fds[1], TRUE, &link_funcs, NULL);
  relay.launcher_says = parallel_agent_reader_new (relay.launcher.stderr_fd, &launcher_funcs, NULL);
  parallel_spawner_watch (&relay.launcher, launcher_exited_cb, NULL);
  return TRUE;
}

static void
send_start (void)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "version", "u", PARALLEL_AGENT_VERSION);
  g_variant_dict_insert (&dict, "argv", "^aay", relay.argv);
  g_variant_dict_insert (&dict, "deadline", "d", relay.deadline);
  if (relay.cwd != NULL)
    g_variant_dict_insert (&dict, "cwd", "^ay", relay.cwd);
  if (relay.env != NULL)
    g_variant_dict_insert (&dict, "environ", "^aay", relay.env);
  if (relay.listener != NULL)
    {
      g_variant_dict_insert (&dict, "address", "s", parallel_agent_listener_get_address (relay.listener));
      g_variant_dict_insert_value (&dict, "cookie", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, relay.cookie,
                                                                              sizeof relay.cookie, 1));
    }
  parallel_agent_link_send_dict (relay.stdio, PARALLEL_AGENT_START, g_variant_dict_end (&dict));
}

static gboolean
read_spec (const char  *text,
           char       **address,
           GError     **error)
{
  g_autoptr (GVariant) value = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, error);
  g_autoptr (GVariantDict) dict = NULL;

  if (value == NULL)
    return FALSE;
  dict = g_variant_dict_new (value);
  if (!g_variant_dict_lookup (dict, "argv", "^aay", &relay.argv) ||
      !g_variant_dict_lookup (dict, "deadline", "d", &relay.deadline) ||
      !g_variant_dict_lookup (dict, "place", "s", &relay.place))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "only parallel-glib can start this");
      return FALSE;
    }
  g_variant_dict_lookup (dict, "trusted", "b", &relay.trusts_status);
  g_variant_dict_lookup (dict, "cwd", "^ay", &relay.cwd);
  g_variant_dict_lookup (dict, "environ", "^aay", &relay.env);
  g_variant_dict_lookup (dict, "cancel", "^aay", &relay.cancel);
  g_variant_dict_lookup (dict, "address", "s", address);
  return TRUE;
}

static void
make_cookie (void)
{
  /* Not g_random_int(), which can be foretold. */
  if (getentropy (relay.cookie, sizeof relay.cookie) != 0)
    _exit (PARALLEL_AGENT_EXIT_LOST);
}

void
parallel_agent_relay_begin (const char  *spec,
                            char       **launcher)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *address = NULL;

  relay.said = g_string_new (NULL);
  make_cookie ();
  if (!read_spec (spec, &address, &error) || !start_launcher (launcher, &error))
    {
      g_printerr ("the launcher cannot be started: %s\n", error->message);
      _exit (PARALLEL_AGENT_EXIT_LOST);
    }

  relay.answers = parallel_agent_writer_new (parallel_fd_duplicate (STDOUT_FILENO), &stream_funcs, NULL);
  relay.output = parallel_agent_writer_new (parallel_fd_duplicate (STDERR_FILENO), &stream_funcs, NULL);
  watch_signals ();
  relay.no_runner = g_unix_fd_source_new (STDIN_FILENO, (GIOCondition) (G_IO_HUP | POLLRDHUP));
  g_source_set_callback (relay.no_runner, G_SOURCE_FUNC (no_runner_cb), NULL, NULL);
  g_source_attach (relay.no_runner, g_main_context_get_thread_default ());
  relay.listener = address != NULL ? parallel_agent_listener_new (address, relay.cookie, called_cb) : NULL;
  send_start ();
  set_clock (no_hello_cb, HELLO_TIME * G_USEC_PER_SEC);
}
