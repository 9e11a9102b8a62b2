/* parallel-agent-serve.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-agent-private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "parallel-agent-link.h"
#include "parallel-engine.h"
#include "parallel-exec-reports.h"
#include "parallel-fd.h"
#include "parallel-guardian.h"
#include "parallel-process-stop.h"
#include "parallel-spawner.h"

/* The half on the other machine: starts one worker and forwards what it reads and writes. When the relay has gone, by
 * the end of the standard input, of the socket or by its silence, or when somebody tells this program to end, it kills the
 * worker with all that it has started, and ends. So it does with what a worker leaves that did not end well. */

/* How long START may take, seconds, and the connection to the relay. */
#define START_TIME   60
#define CONNECT_TIME 3

/* How long the relay may take to close the socket behind the last frame, seconds. */
#define CLOSE_TIME 5

/* A relay that is silent may only be busy: it is waited for so many times longer than it waits itself. */
#define RELAY_PATIENCE 4

/* How many signs of life there are in the time after which a side is lost. */
#define SIGNS 4

#define WORKER_VARIABLE "PARALLEL_GLIB_WORKER"

typedef struct
{
  ParallelAgentLink    *stdio;
  ParallelAgentLink    *socket;       /* or NULL */
  ParallelAgentLink    *link;         /* one of the two; NULL until START */
  gint64                deadline;     /* microseconds without a sign of life */
  GSource              *clock;

  char                **argv;
  char                **env;
  char                 *cwd;
  ParallelSpawnRequest  request;
  ParallelSpawned       spawned;
  ParallelAgentWriter  *input;
  ParallelAgentReader  *answers;
  ParallelAgentReader  *output;
  gboolean              is_started;
  gboolean              has_exited;
  int                   wait_status;
  ParallelProcessStop  *stop;         /* of the worker and all that it has started */
  gboolean              is_abandoned; /* the relay has gone */
  gboolean              is_done;      /* EXITED is on its way */
} Serve;

static Serve serve;

static void
finish (void)
{
  _exit (0);
}

static void
set_clock (GSourceFunc func,
           gint64      delay)
{
  parallel_source_clear (&serve.clock);
  serve.clock = parallel_engine_add_timer (g_get_monotonic_time () + delay, func, NULL);
}

/* ---- the end ---- */

static gboolean
not_closed_cb (gpointer user_data)
{
  finish ();
  return G_SOURCE_REMOVE;
}

/* A socket that is closed with something left to read, as a sign of life of the relay's, takes back what was written. */
static void
finish_if_written (void)
{
  if (parallel_agent_link_get_pending (serve.link) > 0)
    return;
  if (serve.link == serve.stdio)
    finish ();
  set_clock (not_closed_cb, CLOSE_TIME * G_USEC_PER_SEC);
}

static void
send_end (GVariantDict *dict)
{
  serve.is_done = TRUE;
  parallel_agent_link_set_paused (serve.link, FALSE);
  parallel_agent_link_send_dict (serve.link, PARALLEL_AGENT_EXITED, g_variant_dict_end (dict));
  parallel_agent_link_close (serve.link);
  finish_if_written ();
}

static void
send_failure (GError *error)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "failure", "s", error->message);
  g_error_free (error);
  send_end (&dict);
}

/* The worker has. What its descendants go on to write is not waited for. */
static void
send_exited (void)
{
  GVariantDict dict;

  parallel_agent_reader_drain (serve.answers);
  parallel_agent_reader_drain (serve.output);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "status", "i", serve.wait_status);
  send_end (&dict);
}

static void
stopped_cb (gpointer    user_data,
            const char *left)
{
  if (serve.is_abandoned || !serve.has_exited)
    finish ();

  g_clear_pointer (&serve.stop, parallel_process_stop_free);
  send_exited ();
}

static void
kill_all (void)
{
  ParallelTree tree = { serve.spawned.pid, serve.spawned.mark };
  ParallelStopSequence sequence;

  if (serve.stop != NULL || serve.is_done)
    return;

  parallel_stop_sequence_parse ("KILL", 0, &sequence, NULL);
  serve.stop = parallel_process_stop_new (&tree, FALSE, &sequence, stopped_cb, NULL);
  if (serve.has_exited)
    parallel_process_stop_exited (serve.stop);
}

/* Nobody is there any more for whom the worker could work. */
static void
abandon (void)
{
  if (serve.is_abandoned)
    return;
  if (!serve.is_started || serve.is_done)
    finish ();

  serve.is_abandoned = TRUE;
  parallel_source_clear (&serve.clock);
  kill_all ();
}

static void
exited_cb (int      pid,
           int      wait_status,
           gpointer user_data)
{
  GError *failure = parallel_spawner_take_failure (pid, &serve.request);
  ParallelExecEnd end;

  if (parallel_exec_reports_take_end (pid, &end))
    wait_status = end.wait_status;
  parallel_exec_reports_forget (pid);
  parallel_guardian_remove (pid);
  serve.has_exited = TRUE;
  serve.wait_status = wait_status;
  if (serve.stop != NULL)
    parallel_process_stop_exited (serve.stop);
  else if (failure != NULL)
    send_failure (g_steal_pointer (&failure));
  else if (wait_status != 0)
    {
      if (WIFSIGNALED (wait_status) && WTERMSIG (wait_status) == SIGKILL)
        g_usleep (PARALLEL_AGENT_KILLED_TIME);
      kill_all ();
    }
  else
    send_exited ();
  g_clear_error (&failure);
}

/* ---- what the worker says ---- */

static void
pause_if_full (void)
{
  gboolean full = parallel_agent_link_get_pending (serve.link) > PARALLEL_AGENT_FULL;

  parallel_agent_reader_set_paused (serve.answers, full);
  parallel_agent_reader_set_paused (serve.output, full);
}

static void
answers_cb (gpointer      owner,
            const guint8 *data,
            gsize         size)
{
  parallel_agent_link_send (serve.link, PARALLEL_AGENT_ANSWERS, data, size);
  pause_if_full ();
}

static void
output_cb (gpointer      owner,
           const guint8 *data,
           gsize         size)
{
  parallel_agent_link_send (serve.link, PARALLEL_AGENT_OUTPUT, data, size);
  pause_if_full ();
}

static void
stream_ended_cb (gpointer owner)
{
}

static const ParallelAgentReaderFuncs answers_funcs = { .data = answers_cb, .ended = stream_ended_cb };
static const ParallelAgentReaderFuncs output_funcs = { .data = output_cb, .ended = stream_ended_cb };

static void
input_drained_cb (gpointer owner)
{
  parallel_agent_link_set_paused (serve.link, FALSE);
}

static const ParallelAgentWriterFuncs input_funcs = { .drained = input_drained_cb, .broken = input_drained_cb };

/* ---- the worker ---- */

/* Only now the relay sends what is meant for the worker. */
static void
say_hello (void)
{
  const char *job = g_getenv ("SLURM_JOB_ID");
  const char *step = g_getenv ("SLURM_STEP_ID");
  const char *node = g_getenv ("SLURMD_NODENAME");
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "host", "s", node != NULL ? node : g_get_host_name ());
  g_variant_dict_insert (&dict, "pid", "u", (guint) getpid ());
  if (job != NULL)
    g_variant_dict_insert (&dict, "job", "s", job);
  if (step != NULL)
    g_variant_dict_insert (&dict, "step", "s", step);
  parallel_agent_link_send_dict (serve.link, PARALLEL_AGENT_HELLO, g_variant_dict_end (&dict));
}

static void
start_worker (void)
{
  GError *error = NULL;
  int fds[2];

  serve.request.argv = (const char * const *) serve.argv;
  serve.request.env = (const char * const *) serve.env;
  serve.request.cwd = serve.cwd;
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    {
      send_failure (g_error_new (G_IO_ERROR, g_io_error_from_errno (errno), "The worker’s input could not be made: %s",
                                 g_strerror (errno)));
      return;
    }

  serve.request.stdin_fd = fds[1];
  if (!parallel_spawner_spawn (&serve.request, &serve.spawned, &error))
    {
      close (fds[0]);
      send_failure (error);
      return;
    }

  serve.is_started = TRUE;
  serve.input = parallel_agent_writer_new (fds[0], &input_funcs, NULL);
  serve.answers = parallel_agent_reader_new (serve.spawned.stdout_fd, &answers_funcs, NULL);
  serve.output = parallel_agent_reader_new (serve.spawned.stderr_fd, &output_funcs, NULL);
  parallel_spawner_watch (&serve.spawned, exited_cb, NULL);
  say_hello ();
}

/* The guardian has come. */
static void
guardian_ready_cb (void)
{
  if (!serve.is_started && serve.link != NULL && !serve.is_done && serve.stop == NULL)
    start_worker ();
}

/* It is in a group of its own, and what it has put into others is killed with it at the end. */
static void
signal_worker (int number)
{
  if (serve.is_started && !serve.has_exited)
    kill (-serve.spawned.pid, number);
}

/* ---- the clock ---- */

static gboolean
clock_cb (gpointer user_data)
{
  gint64 silent = g_get_monotonic_time () - parallel_agent_link_get_heard (serve.link);

  if (silent > RELAY_PATIENCE * serve.deadline)
    {
      abandon ();
      return G_SOURCE_REMOVE;
    }

  parallel_agent_link_send (serve.link, PARALLEL_AGENT_ALIVE, NULL, 0);
  g_source_set_ready_time (serve.clock, g_get_monotonic_time () + serve.deadline / SIGNS);
  return G_SOURCE_CONTINUE;
}

static gboolean
no_start_cb (gpointer user_data)
{
  finish ();
  return G_SOURCE_REMOVE;
}

/* ---- the relay ---- */

static void frame_cb (gpointer           owner,
                      ParallelAgentLink *link,
                      guint              kind,
                      const guint8      *data,
                      gsize              size);

static void
drained_cb (gpointer owner)
{
  if (serve.is_done)
    finish_if_written ();
  else if (serve.answers != NULL)
    pause_if_full ();
}

static void
ended_cb (gpointer           owner,
          ParallelAgentLink *link,
          const char        *why)
{
  abandon ();
}

static void
gone_cb (gpointer owner)
{
  abandon ();
}

static const ParallelAgentLinkFuncs link_funcs = {
  .frame = frame_cb, .drained = drained_cb, .ended = ended_cb, .gone = gone_cb
};

/* A short wait, in a program that has nothing else to do yet. -1 where there is no way. */
static int
connect_to (const char *address)
{
  g_autoptr (GSocketConnectable) connectable = g_network_address_parse (address, 0, NULL);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;
  int one = 1;
  int fd;

  if (connectable == NULL)
    return -1;
  g_socket_client_set_timeout (client, CONNECT_TIME);
  g_socket_client_set_enable_proxy (client, FALSE);
  connection = g_socket_client_connect (client, connectable, NULL, NULL);
  if (connection == NULL)
    return -1;

  fd = parallel_fd_duplicate (g_socket_get_fd (g_socket_connection_get_socket (connection)));
  if (fd >= 0)
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

/* Each side shows its half of the cookie. Who listens at the address here need not be the relay. */
static gboolean
is_relay (int       fd,
          GVariant *cookie)
{
  gsize size;
  const guint8 *bytes = g_variant_get_fixed_array (cookie, &size, 1);
  guint8 answer[PARALLEL_AGENT_COOKIE_SIZE];
  gsize n = 0;

  if (size != 2 * sizeof answer || write (fd, bytes, sizeof answer) != sizeof answer)
    return FALSE;

  while (n < sizeof answer && poll (&(struct pollfd) { fd, POLLIN, 0 }, 1, CONNECT_TIME * 1000) == 1)
    {
      gssize n_read = read (fd, answer + n, sizeof answer - n);

      if (n_read <= 0)
        return FALSE;
      n += n_read;
    }
  return n == sizeof answer && memcmp (answer, bytes + sizeof answer, sizeof answer) == 0;
}

static void
connect_back (const char *address,
              GVariant   *cookie)
{
  int fd = connect_to (address);

  if (fd < 0)
    return;
  if (!is_relay (fd, cookie))
    {
      close (fd);
      return;
    }
  serve.socket = parallel_agent_link_new (fd, fd, FALSE, &link_funcs, NULL);
  serve.link = serve.socket;
}

static char **
dup_environ (char **given)
{
  char **env = given != NULL ? g_strdupv (given) : g_get_environ ();

  return g_environ_setenv (env, WORKER_VARIABLE, "1", TRUE);
}

static void
take_start (const guint8 *data,
            gsize         size)
{
  g_autoptr (GVariant) value = parallel_agent_parse_dict (data, size);
  g_autoptr (GVariantDict) dict = g_variant_dict_new (value);
  g_autoptr (GVariant) cookie = g_variant_dict_lookup_value (dict, "cookie", G_VARIANT_TYPE_BYTESTRING);
  g_auto (GStrv) given = NULL;
  g_autofree char *address = NULL;
  guint version = 0;
  double deadline = 0;

  serve.link = serve.stdio;
  if (!g_variant_dict_lookup (dict, "version", "u", &version) || version != PARALLEL_AGENT_VERSION ||
      !g_variant_dict_lookup (dict, "argv", "^aay", &serve.argv) || serve.argv[0] == NULL ||
      !g_variant_dict_lookup (dict, "deadline", "d", &deadline) || deadline <= 0)
    {
      send_failure (g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                                         "parallel-glib-agent is of another version there than here"));
      return;
    }

  g_variant_dict_lookup (dict, "cwd", "^ay", &serve.cwd);
  g_variant_dict_lookup (dict, "environ", "^aay", &given);
  serve.env = dup_environ (given);
  serve.deadline = deadline * G_USEC_PER_SEC;
  if (g_variant_dict_lookup (dict, "address", "s", &address) && cookie != NULL)
    connect_back (address, cookie);

  set_clock (clock_cb, serve.deadline / SIGNS);
  if (parallel_guardian_prepare (guardian_ready_cb))
    start_worker ();
}

static void
frame_cb (gpointer           owner,
          ParallelAgentLink *link,
          guint              kind,
          const guint8      *data,
          gsize              size)
{
  if (serve.link == NULL)
    {
      if (kind == PARALLEL_AGENT_START)
        take_start (data, size);
      else
        finish ();
      return;
    }
  if (link != serve.link || serve.input == NULL || serve.is_done)
    return;

  if (kind == PARALLEL_AGENT_INPUT)
    {
      parallel_agent_writer_write (serve.input, data, size);
      if (parallel_agent_writer_get_pending (serve.input) > PARALLEL_AGENT_FULL)
        parallel_agent_link_set_paused (serve.link, TRUE);
    }
  else if (kind == PARALLEL_AGENT_END)
    parallel_agent_writer_close (serve.input);
  else if (kind == PARALLEL_AGENT_SIGNAL && size == 1 && data[0] == SIGKILL)
    kill_all ();
  else if (kind == PARALLEL_AGENT_SIGNAL && size == 1)
    signal_worker (data[0]);
}

/* ---- the beginning ---- */

static gboolean
signal_cb (int          fd,
           GIOCondition condition,
           gpointer     user_data)
{
  abandon ();
  return G_SOURCE_REMOVE;
}

/* Blocked as they are, they would be of no use. */
static void
watch_signals (void)
{
  g_autoptr (GSource) source = NULL;
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGHUP);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  source = g_unix_fd_source_new (signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), G_IO_IN);
  g_source_set_callback (source, G_SOURCE_FUNC (signal_cb), NULL, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
}

void
parallel_agent_serve_begin (void)
{
  int in_fd = parallel_fd_duplicate (STDIN_FILENO);
  int out_fd = parallel_fd_duplicate (STDOUT_FILENO);
  int null_fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  /* What anything here prints must not come between the frames. */
  if (in_fd < 0 || out_fd < 0 || null_fd < 0 || dup2 (null_fd, STDIN_FILENO) < 0 ||
      dup2 (STDERR_FILENO, STDOUT_FILENO) < 0)
    _exit (PARALLEL_AGENT_EXIT_LOST);
  close (null_fd);

  serve.stdio = parallel_agent_link_new (in_fd, out_fd, FALSE, &link_funcs, NULL);
  parallel_agent_link_write_raw (serve.stdio, PARALLEL_AGENT_MAGIC);
  watch_signals ();
  set_clock (no_start_cb, START_TIME * G_USEC_PER_SEC);
}
