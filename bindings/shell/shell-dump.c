/* shell-dump.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "shell-dump.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "shell-bar-stream.h"

/* Whoever asks has a run that seems to hang, and the standard error may be what hangs; so it is
 * written in a thread of its own, and the main loop goes on to take other signals. */

typedef enum
{
  STATE_IDLE,
  STATE_WRITES,
  STATE_WRITES_AND_IS_ASKED_AGAIN
} State;

struct _ShellDump
{
  /* Constant after construction. */
  ParallelBackgroundTaskRunner *runner;

  /* Main thread only, but for what the thread has to itself. */
  GThread                      *thread;
  ShellBar                     *bar;        /* the thread's */
  int                           state;      /* atomic, a State */
};

ShellDump *
shell_dump_new (ParallelBackgroundTaskRunner *runner)
{
  ShellDump *self = g_new0 (ShellDump, 1);

  self->runner = runner;
  return self;
}

/* All at once, so that nothing else gets between the lines. That it cannot be written is no reason
 * to stop anything. */
static void
write_text (const char *text)
{
  gsize length = strlen (text);

  while (length > 0)
    {
      gssize n = write (STDERR_FILENO, text, length);

      if (n < 0 && errno != EINTR)
        return;
      if (n > 0)
        {
          text += n;
          length -= (gsize) n;
        }
    }
}

static void
write_dump (ShellDump *self)
{
  g_autofree char *dump = parallel_background_task_runner_dump (self->runner);
  g_autofree char *text = g_strconcat ("parallel-glib: what it is doing: ", dump, NULL);

  if (self->bar != NULL)
    {
      g_autoptr (GOutputStream) stream = shell_bar_stream_new (self->bar, STDERR_FILENO);

      g_output_stream_write_all (stream, text, strlen (text), NULL, NULL, NULL);
    }
  else
    write_text (text);
}

static gpointer
dump_thread (gpointer data)
{
  ShellDump *self = data;

  do
    {
      g_atomic_int_set (&self->state, STATE_WRITES);
      write_dump (self);
    }
  while (!g_atomic_int_compare_and_exchange (&self->state, STATE_WRITES, STATE_IDLE));

  return NULL;
}

static void
join (ShellDump *self)
{
  if (self->thread != NULL)
    g_thread_join (g_steal_pointer (&self->thread));
  g_clear_pointer (&self->bar, shell_bar_unref);
}

void
shell_dump_write (ShellDump *self,
                  ShellBar  *bar)
{
  if (g_atomic_int_compare_and_exchange (&self->state, STATE_WRITES, STATE_WRITES_AND_IS_ASKED_AGAIN) ||
      g_atomic_int_get (&self->state) != STATE_IDLE)
    return;

  join (self);
  self->bar = bar != NULL ? shell_bar_ref (bar) : NULL;
  g_atomic_int_set (&self->state, STATE_WRITES);
  self->thread = g_thread_try_new ("shell-dump", dump_thread, self, NULL);
  if (self->thread == NULL)
    g_atomic_int_set (&self->state, STATE_IDLE);
}

void
shell_dump_free (ShellDump *self)
{
  join (self);
  g_free (self);
}
