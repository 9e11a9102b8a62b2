/* parallel-agent-commands.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-agent-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parallel.h"
#include "parallel-agent-link.h"
#include "parallel-fd.h"
#include "parallel-process-table.h"
#include "parallel-remote-command.h"
#include "parallel-step-private.h"

/* The worker whose steps are commands: runs one program after the other, by the library itself, so that all that can be
 * said of a program here is said of it there.
 *
 * When it is sent a signal, the runner there wants the step to stop: the program gets the signal, and this process ends
 * after it. */

static struct
{
  GMutex        mutex;
  ParallelStep *step;       /* the one that runs */
  int           signum;     /* that was sent, or 0 */
} commands;

/* ---- what the programs print ---- */

#define MUX_TYPE_STREAM (mux_stream_get_type ())
G_DECLARE_FINAL_TYPE (MuxStream, mux_stream, MUX, STREAM, GOutputStream)

struct _MuxStream
{
  GOutputStream        parent_instance;
  ParallelOutputStream stream;
};

G_DEFINE_FINAL_TYPE (MuxStream, mux_stream, G_TYPE_OUTPUT_STREAM)

/* For them alone. What else this process might print must not come between the pieces, and goes nowhere. The worker has a
 * descriptor of its own for the marks. */
static int
get_programs_fd (void)
{
  static int fd = -1;
  int null_fd;

  if (fd >= 0)
    return fd;

  fd = parallel_fd_duplicate (STDERR_FILENO);
  null_fd = open ("/dev/null", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || null_fd < 0 || dup2 (null_fd, STDOUT_FILENO) < 0 || dup2 (null_fd, STDERR_FILENO) < 0)
    _exit (PARALLEL_AGENT_EXIT_LOST);
  close (null_fd);
  return fd;
}

static gboolean
write_all (struct iovec *parts,
           int           n_parts)
{
  while (n_parts > 0)
    {
      gssize n = writev (get_programs_fd (), parts, n_parts);

      if (n < 0 && errno == EAGAIN)
        poll (&(struct pollfd) { get_programs_fd (), POLLOUT, 0 }, 1, -1);
      else if (n < 0 && errno != EINTR)
        return FALSE;
      while (n_parts > 0 && n >= 0 && (gsize) n >= parts->iov_len)
        {
          n -= parts->iov_len;
          parts++;
          n_parts--;
        }
      if (n > 0)
        {
          parts->iov_base = (char *) parts->iov_base + n;
          parts->iov_len -= n;
        }
    }
  return TRUE;
}

static gssize
mux_stream_write (GOutputStream  *stream,
                  const void     *buffer,
                  gsize           count,
                  GCancellable   *cancellable,
                  GError        **error)
{
  gsize size = MIN (count, PARALLEL_REMOTE_MAX_PIECE);
  guint8 head[PARALLEL_REMOTE_PIECE_HEAD];
  struct iovec parts[] = { { head, sizeof head }, { (void *) buffer, size } };

  parallel_remote_put_piece (head, MUX_STREAM (stream)->stream, size);
  if (write_all (parts, G_N_ELEMENTS (parts)))
    return size;

  g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
  return -1;
}

static void
mux_stream_class_init (MuxStreamClass *klass)
{
  G_OUTPUT_STREAM_CLASS (klass)->write_fn = mux_stream_write;
}

static void
mux_stream_init (MuxStream *self)
{
}

static GOutputStream *
mux_stream_new (ParallelOutputStream stream)
{
  MuxStream *self = g_object_new (MUX_TYPE_STREAM, NULL);

  self->stream = stream;
  return G_OUTPUT_STREAM (self);
}

/* ---- signals ---- */

/* To the program and to all that it has started, as when a step is stopped here; the keeper of a tree does not mind. */
static void
signal_program (ParallelStep *step,
                int           number)
{
  ParallelWhereabouts where = parallel_step_get_whereabouts (step);
  g_autofree char *mark = where.mark;
  ParallelTree tree = { where.pid, mark };
  g_autoptr (ParallelProcessTable) table = NULL;
  g_autoptr (GPtrArray) processes = NULL;

  if (where.pid == 0)
    {
      parallel_step_cancel (step);
      return;
    }

  table = parallel_process_table_get (g_get_monotonic_time ());
  processes = parallel_process_table_find (table, &tree, NULL);
  for (guint i = 0; i < processes->len; i++)
    {
      parallel_process_kill (g_ptr_array_index (processes, i), number);
      parallel_process_kill (g_ptr_array_index (processes, i), SIGCONT);
    }
}

static gpointer
signal_thread (gpointer data)
{
  sigset_t *set = data;
  int number;

  while (sigwait (set, &number) == 0)
    {
      g_mutex_lock (&commands.mutex);
      commands.signum = number;
      if (commands.step == NULL)
        parallel_agent_exit_as (W_EXITCODE (0, number));
      signal_program (commands.step, number);
      g_mutex_unlock (&commands.mutex);
    }

  return NULL;
}

static void
watch_signals (void)
{
  static const int numbers[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM };
  static sigset_t set;

  sigemptyset (&set);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    sigaddset (&set, numbers[i]);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  g_thread_unref (g_thread_new ("signals", signal_thread, &set));
}

/* ---- one command ---- */

static ParallelBackgroundTaskRunner *
make_runner (ParallelTask *task)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (g_object_ref (task));
  g_autoptr (GOutputStream) out = mux_stream_new (PARALLEL_OUTPUT_STREAM_STDOUT);
  g_autoptr (GOutputStream) err = mux_stream_new (PARALLEL_OUTPUT_STREAM_STDERR);

  parallel_background_task_runner_set_sink (runner, out);
  parallel_background_task_runner_set_error_sink (runner, err);
  parallel_background_task_runner_set_max_parallel (runner, 1);

  return runner;
}

static void
set_current (ParallelStep *step)
{
  g_mutex_lock (&commands.mutex);
  commands.step = step;
  if (step == NULL && commands.signum != 0)
    parallel_agent_exit_as (W_EXITCODE (0, commands.signum));
  g_mutex_unlock (&commands.mutex);
}

/* From now on the output is that of programs alone. */
static GVariant *
set_up (ParallelWorker  *worker,
        GVariant        *input,
        gpointer         user_data,
        GError         **error)
{
  get_programs_fd ();
  return g_variant_new ("()");
}

static GVariant *
run_command (ParallelWorker  *worker,
             GVariant        *input,
             gpointer         user_data,
             GError         **error)
{
  g_autoptr (ParallelTask) task = parallel_remote_parse_command (input, error);
  g_autoptr (ParallelBackgroundTaskRunner) runner = NULL;
  g_autoptr (ParallelStep) step = NULL;
  GVariant *result = NULL;

  if (task == NULL)
    return NULL;

  runner = make_runner (task);
  step = parallel_step_new (g_object_ref (task), NULL);
  set_current (step);
  if (parallel_background_task_runner_put_step (runner, step, error))
    {
      parallel_background_task_runner_close (runner);
      parallel_background_task_runner_wait (runner, NULL, NULL);
      if (parallel_step_get_term_signal (step) == SIGKILL)
        g_usleep (PARALLEL_AGENT_KILLED_TIME);
      result = parallel_remote_describe_end (step);
    }
  set_current (NULL);

  return result;
}

int
parallel_agent_commands (int    argc,
                         char **argv)
{
  g_autoptr (ParallelWorker) worker = parallel_worker_new ();
  g_autoptr (GError) error = NULL;

  watch_signals ();
  parallel_worker_set_setup (worker, set_up, NULL, NULL);
  if (parallel_worker_run (worker, run_command, NULL, &error))
    return 0;

  g_printerr ("parallel-glib-agent: %s\n", error->message);
  return 1;
}
