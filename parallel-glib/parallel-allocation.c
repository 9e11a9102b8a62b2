/* parallel-allocation.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-allocation.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "parallel-engine.h"
#include "parallel-exec-reports.h"
#include "parallel-fd.h"
#include "parallel-fork.h"
#include "parallel-run-error.h"
#include "parallel-spawner.h"

/* salloc runs a command when it has the allocation, and gives it back when that ends. The command is
 *
 *   cat /proc/self/environ -
 *
 * which first says what Slurm has put into its environment, and then copies its standard input, a pipe of this program's, until that
 * ends: when this program closes it, or dies in whatever way. One byte is in the pipe from the beginning. It comes out behind
 * the environment, and says that it was all.
 *
 * While salloc waits it does not run that command, and takes no notice of the pipe. So it gets SIGHUP when this program dies. SIGKILL
 * would do harm: a killed salloc leaves its job in the queue, or its allocation with its owner, for ever. Nor is SIGTERM enough: when
 * somebody ends the allocation just as the command ends, two threads of salloc wait for that, and the one that comes late tries again
 * for ever, with all of a processor, until there is a SIGHUP. */

/* What salloc exits with where nothing is free; unusual, and none of its own. */
#define EXIT_BUSY 75

/* No environment is that big, nor an error message. */
#define MAX_ENVIRONMENT (8 * 1024 * 1024)
#define MAX_MESSAGE     (64 * 1024)

typedef struct
{
  int      fd;          /* -1 after its end */
  GSource *source;
  GString *text;
} Stream;

struct _ParallelAllocation
{
  /* Engine thread only, all of it. */
  ParallelAllocation            *next;        /* in the list */
  const ParallelAllocationFuncs *funcs;
  gpointer                       owner;
  gboolean                       is_closed;   /* the owner has heard all there is */
  gboolean                       is_granted;
  char                          *wanted;      /* the options, in words */
  double                         patience;
  GSource                       *timer;       /* the end of patience, or NULL */
  GSubprocess                   *subprocess;
  int                            pid;
  gboolean                       supervised;
  int                            input_fd;    /* the write end; -1 once it was let go of */
  Stream                         output;
  Stream                         errors;
};

/* Engine thread only: all that have a process. */
static ParallelAllocation *allocations;

/* As long as somebody has the write end, there is no end. */
static void
forked (void)
{
  for (ParallelAllocation *self = allocations; self != NULL; self = self->next)
    parallel_fd_clear (&self->input_fd);
  allocations = NULL;
}

static void
stream_clear (Stream *stream)
{
  parallel_source_clear (&stream->source);
  parallel_fd_clear (&stream->fd);
  if (stream->text != NULL)
    g_string_free (g_steal_pointer (&stream->text), TRUE);
}

static void
allocation_free (ParallelAllocation *self)
{
  ParallelAllocation **link = &allocations;

  while (*link != NULL && *link != self)
    link = &(*link)->next;
  if (*link != NULL)
    *link = self->next;

  parallel_source_clear (&self->timer);
  parallel_fd_clear (&self->input_fd);
  stream_clear (&self->output);
  stream_clear (&self->errors);
  g_clear_object (&self->subprocess);
  g_free (self->wanted);
  g_free (self);
}

/* Both ways out: the end of its input, for the command, and a signal, for salloc itself. It ends by itself then. */
static void
let_go (ParallelAllocation *self)
{
  self->is_closed = TRUE;
  parallel_source_clear (&self->timer);
  if (self->input_fd < 0)
    return;

  kill (self->supervised ? -self->pid : self->pid, SIGHUP);
  parallel_fd_clear (&self->input_fd);
}

void
parallel_allocation_close (ParallelAllocation *self)
{
  let_go (self);
}

static void
fail (ParallelAllocation *self,
      GError             *error)
{
  const ParallelAllocationFuncs *funcs = self->funcs;
  gpointer owner = self->owner;

  let_go (self);
  funcs->failed (owner, error);
}

/* ---- what it says ---- */

/* FALSE at the end. What is more than @max is not kept. */
static gboolean
read_stream (Stream *stream,
             gsize   max)
{
  for (;;)
    {
      char buffer[4096];
      gssize n = read (stream->fd, buffer, sizeof buffer);

      if (n > 0 && stream->text->len < max)
        g_string_append_len (stream->text, buffer, n);
      else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return FALSE;
      else if (n < 0 && errno == EAGAIN)
        return TRUE;
    }
}

/* Without a copy of each byte: NULL if it is not complete. */
static char **
split_environment (GString *text)
{
  const char *end = memmem (text->str, text->len, "\0", 2);
  g_autoptr (GStrvBuilder) builder = NULL;

  if (end == NULL)
    return NULL;

  builder = g_strv_builder_new ();
  for (const char *at = text->str; at < end; at += strlen (at) + 1)
    g_strv_builder_add (builder, at);

  return g_strv_builder_end (builder);
}

static void
look_at_output (ParallelAllocation *self)
{
  g_auto (GStrv) env = split_environment (self->output.text);
  g_autoptr (GError) error = NULL;
  GPtrArray *places;
  const char *job;

  if (env == NULL && self->output.text->len < MAX_ENVIRONMENT)
    return;

  job = env != NULL ? g_environ_getenv (env, "SLURM_JOB_ID") : NULL;
  if (job == NULL || !parallel_slurm_is_id (job))
    {
      g_set_error_literal (&error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED,
                           "Slurm does not say what its allocation is: there is no variable SLURM_JOB_ID");
      fail (self, g_steal_pointer (&error));
      return;
    }

  places = parallel_slurm_find_places ((const char * const *) env, &error);
  if (places == NULL)
    {
      fail (self, g_steal_pointer (&error));
      return;
    }

  self->is_granted = TRUE;
  parallel_source_clear (&self->timer);
  self->funcs->granted (self->owner, job, places);
}

static gboolean
output_cb (int          fd,
           GIOCondition condition,
           gpointer     user_data)
{
  ParallelAllocation *self = user_data;
  gboolean more = read_stream (&self->output, MAX_ENVIRONMENT);

  if (!more)
    {
      g_clear_pointer (&self->output.source, g_source_unref);
      parallel_fd_clear (&self->output.fd);
    }
  if (!self->is_granted && !self->is_closed)
    look_at_output (self);

  return more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
errors_cb (int          fd,
           GIOCondition condition,
           gpointer     user_data)
{
  ParallelAllocation *self = user_data;

  if (read_stream (&self->errors, MAX_MESSAGE))
    return G_SOURCE_CONTINUE;

  g_clear_pointer (&self->errors.source, g_source_unref);
  parallel_fd_clear (&self->errors.fd);
  return G_SOURCE_REMOVE;
}

static void
stream_watch (Stream            *stream,
              int                fd,
              GUnixFDSourceFunc  callback,
              gpointer           user_data)
{
  stream->fd = fd;
  stream->text = g_string_new (NULL);
  stream->source = g_unix_fd_source_new (fd, G_IO_IN);
  g_source_set_static_name (stream->source, "[parallel] allocation");
  g_source_set_callback (stream->source, G_SOURCE_FUNC (callback), user_data, NULL);
  g_source_attach (stream->source, g_main_context_get_thread_default ());
}

/* ---- how it ends ---- */

/* The last line that it has written, without "salloc: error: ". */
static char *
dup_last_line (GString *text)
{
  g_autofree char *valid = g_utf8_make_valid (text->str, text->len);
  const char *line;

  g_strchomp (valid);
  line = strrchr (valid, '\n');
  line = line != NULL ? line + 1 : valid;
  if (g_str_has_prefix (line, "salloc: "))
    line += strlen ("salloc: ");
  if (g_str_has_prefix (line, "error: "))
    line += strlen ("error: ");

  return line[0] != '\0' ? g_strdup (line) : NULL;
}

static GError *
make_busy_error (ParallelAllocation *self)
{
  g_autofree char *within = self->patience > 0 ? g_strdup_printf ("within %g seconds", self->patience)
                                               : g_strdup ("at once");

  return g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                      "Slurm has not given an allocation (salloc %s) %s: ask for less, wait longer (the launcher’s "
                      "patience), or look with squeue at what is in the way", self->wanted, within);
}

static GError *
make_exit_error (ParallelAllocation *self,
                 int                 wait_status)
{
  g_autofree char *line = dup_last_line (self->errors.text);
  g_autoptr (GError) status = NULL;

  if (self->patience == 0 && WIFEXITED (wait_status) && WEXITSTATUS (wait_status) == EXIT_BUSY)
    return make_busy_error (self);

  if (line == NULL && wait_status != PARALLEL_EXIT_LOST && !g_spawn_check_wait_status (wait_status, &status))
    line = g_strdup (status->message);

  return g_error_new (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_FAILED, "Slurm gives no allocation (salloc %s): %s",
                      self->wanted, line != NULL ? line : "salloc has ended");
}

static void
exited_cb (int      pid,
           int      wait_status,
           gpointer user_data)
{
  ParallelAllocation *self = user_data;
  const char * const argv[] = { "salloc", NULL };
  const ParallelSpawnRequest request = { .argv = argv, .stdin_fd = -1 };
  g_autoptr (GError) error = parallel_spawner_take_failure (pid, &request);
  ParallelExecEnd end;

  if (parallel_exec_reports_take_end (pid, &end))
    wait_status = end.wait_status;
  parallel_exec_reports_forget (pid);

  /* There is nobody left to send a signal to. */
  parallel_fd_clear (&self->input_fd);

  if (!self->is_closed)
    {
      if (self->errors.fd >= 0)
        read_stream (&self->errors, MAX_MESSAGE);
      if (self->is_granted)
        self->funcs->ended (self->owner);
      else
        fail (self, error != NULL ? g_steal_pointer (&error) : make_exit_error (self, wait_status));
    }
  allocation_free (self);
}

static gboolean
patience_cb (gpointer user_data)
{
  ParallelAllocation *self = user_data;

  fail (self, make_busy_error (self));

  return G_SOURCE_REMOVE;
}

/* ---- how it begins ---- */

/* The read end for salloc, with the byte in it. FALSE with @error. */
static gboolean
open_input (int    *read_fd,
            int    *write_fd,
            GError **error)
{
  int fds[2];

  if (!g_unix_open_pipe (fds, FD_CLOEXEC, error))
    return FALSE;

  *read_fd = fds[0];
  *write_fd = fds[1];
  if (parallel_fd_lift (write_fd) && write (*write_fd, "", 1) == 1)
    return TRUE;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
               "The pipe to salloc could not be made: %s", g_strerror (errno));
  parallel_fd_clear (read_fd);
  parallel_fd_clear (write_fd);
  return FALSE;
}

static char **
make_argv (const char * const *options,
           double              patience)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  /* A node that fails must not take the others with it. When somebody else ends the allocation, the command ends too. */
  g_strv_builder_add_many (builder, "salloc", "-Q", "--no-kill", "--kill-command", NULL);
  if (patience == 0)
    g_strv_builder_add (builder, "--immediate");
  g_strv_builder_addv (builder, (const char **) options);
  g_strv_builder_add_many (builder, "cat", "/proc/self/environ", "-", NULL);

  return g_strv_builder_end (builder);
}

static gboolean
spawn (ParallelAllocation  *self,
       const char * const  *options,
       GError             **error)
{
  g_auto (GStrv) argv = make_argv (options, self->patience);
  g_auto (GStrv) env = g_environ_setenv (g_get_environ (), "SLURM_EXIT_IMMEDIATE", G_STRINGIFY (EXIT_BUSY), TRUE);
  ParallelSpawnRequest request = { .argv = (const char * const *) argv, .env = (const char * const *) env };
  ParallelSpawned spawned;

  request.unguarded = TRUE;
  if (!open_input (&request.stdin_fd, &self->input_fd, error)
      || !parallel_spawner_spawn (&request, &spawned, error))
    return FALSE;

  self->subprocess = spawned.subprocess;
  self->pid = spawned.pid;
  self->supervised = spawned.supervised;
  g_free (spawned.mark);
  stream_watch (&self->output, spawned.stdout_fd, output_cb, self);
  stream_watch (&self->errors, spawned.stderr_fd, errors_cb, self);
  self->next = allocations;
  allocations = self;
  parallel_spawner_watch (&spawned, exited_cb, self);
  return TRUE;
}

ParallelAllocation *
parallel_allocation_start (const char * const             *options,
                           double                          patience,
                           const ParallelAllocationFuncs  *funcs,
                           gpointer                        owner,
                           GError                        **error)
{
  ParallelAllocation *self = g_new0 (ParallelAllocation, 1);
  g_autofree char *joined = g_strjoinv (" ", (char **) options);

  g_assert (parallel_engine_is_current ());

  parallel_fork_add_once (forked);
  self->funcs = funcs;
  self->owner = owner;
  self->wanted = joined[0] != '\0' ? g_utf8_make_valid (joined, -1) : g_strdup ("without options");
  self->patience = patience;
  self->input_fd = -1;
  self->output.fd = -1;
  self->errors.fd = -1;

  if (!spawn (self, options, error))
    {
      allocation_free (self);
      return NULL;
    }

  if (patience > 0)
    self->timer = parallel_engine_add_timer (g_get_monotonic_time () + (gint64) (MIN (patience, 1e9) * G_USEC_PER_SEC),
                                             patience_cb, self);
  return self;
}
