/* shell-signals.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "shell-signals.h"

#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };

typedef struct
{
  ShellSignals *signals;
  int           signum;
  guint         source;       /* 0: it stays ignored */
} Caught;

/* Main thread only. */
struct _ShellSignals
{
  ShellSignalFunc func;
  gpointer        user_data;
  Caught          caught[G_N_ELEMENTS (numbers)];
};

static gboolean
signal_cb (gpointer user_data)
{
  const Caught *caught = user_data;

  caught->signals->func (caught->signum, caught->signals->user_data);
  return G_SOURCE_CONTINUE;
}

/* A signal that the caller has set to be ignored stays so: nohup, and a job that a shell script
 * has put into the background. */
static gboolean
is_ignored (int signum)
{
  struct sigaction action;

  return sigaction (signum, NULL, &action) != 0 || action.sa_handler == SIG_IGN;
}

ShellSignals *
shell_signals_new (ShellSignalFunc func,
                   gpointer        user_data)
{
  ShellSignals *self = g_new0 (ShellSignals, 1);

  self->func = func;
  self->user_data = user_data;
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      Caught *caught = &self->caught[i];

      caught->signals = self;
      caught->signum = numbers[i];
      if (!is_ignored (numbers[i]))
        caught->source = g_unix_signal_add (numbers[i], signal_cb, caught);
    }

  return self;
}

void
shell_signals_free (ShellSignals *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    g_clear_handle_id (&self->caught[i].source, g_source_remove);
  g_free (self);
}

static volatile sig_atomic_t limit_status;

static void
limit_cb (int signum)
{
  _exit (limit_status);
}

void
shell_signals_limit (guint seconds,
                     int   exit_status)
{
  struct sigaction action = { .sa_handler = limit_cb };
  sigset_t set;

  limit_status = exit_status;
  sigaction (SIGALRM, &action, NULL);
  sigemptyset (&set);
  sigaddset (&set, SIGALRM);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  alarm (seconds);
}
