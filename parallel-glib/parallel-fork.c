/* parallel-fork.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-fork.h"

#include <pthread.h>

#define MAX_FUNCS 8

/* Changed only by fork(), in a process that has one thread then. */
static int generation;

/* Guarded by mutex, but for the child, in which nobody else is. */
static GMutex mutex;
static void (*funcs[MAX_FUNCS]) (void);
static guint n_funcs;

static void
forked (void)
{
  generation++;

  /* Held by whoever was adding something. */
  g_mutex_init (&mutex);

  for (guint i = 0; i < n_funcs; i++)
    funcs[i] ();
}

/* Any thread. */
static void
install (void)
{
  static gsize installed;

  if (g_once_init_enter (&installed))
    {
      pthread_atfork (NULL, NULL, forked);
      g_once_init_leave (&installed, 1);
    }
}

int
parallel_fork_get_generation (void)
{
  install ();

  return generation;
}

void
parallel_fork_add (void (*func) (void))
{
  install ();

  g_mutex_lock (&mutex);
  g_assert (n_funcs < MAX_FUNCS);
  funcs[n_funcs] = func;
  n_funcs++;
  g_mutex_unlock (&mutex);
}
