/* parallel-fork.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-fork.h"

#include <pthread.h>

#define MAX_FUNCS 12

int parallel_fork_generation;

/* Guarded by mutex, but for the child, in which nobody else is. */
static GMutex mutex;
static void (*funcs[MAX_FUNCS]) (void);
static guint n_funcs;

/* How long a fork may be delayed by a thread that is at work, in microseconds. */
#define MAX_DELAY G_USEC_PER_SEC

/* Accessed atomically. */
static gint n_at_work;
static gint n_forking;

/* For those who wait until one of the two is 0. */
static GMutex work_mutex;
static GCond work_cond;

/* How often this thread has begun and not ended. */
static __thread guint at_work;

static void
leave (void)
{
  if (!g_atomic_int_dec_and_test (&n_at_work) || g_atomic_int_get (&n_forking) == 0)
    return;

  g_mutex_lock (&work_mutex);
  g_cond_broadcast (&work_cond);
  g_mutex_unlock (&work_mutex);
}

void
parallel_fork_begin_work (void)
{
  if (at_work++ > 0)
    return;

  for (;;)
    {
      g_atomic_int_inc (&n_at_work);
      if (g_atomic_int_get (&n_forking) == 0)
        return;

      leave ();
      g_mutex_lock (&work_mutex);
      while (g_atomic_int_get (&n_forking) > 0)
        g_cond_wait (&work_cond, &work_mutex);
      g_mutex_unlock (&work_mutex);
    }
}

void
parallel_fork_end_work (void)
{
  if (--at_work == 0)
    leave ();
}

/* One that is at work itself, and forks, must not wait for itself. */
static void
prepare (void)
{
  gint64 deadline = g_get_monotonic_time () + MAX_DELAY;

  g_atomic_int_inc (&n_forking);
  g_mutex_lock (&work_mutex);
  while (g_atomic_int_get (&n_at_work) > (at_work > 0 ? 1 : 0))
    {
      if (!g_cond_wait_until (&work_cond, &work_mutex, deadline))
        break;
    }
  g_mutex_unlock (&work_mutex);
}

static void
go_on (void)
{
  g_mutex_lock (&work_mutex);
  g_atomic_int_add (&n_forking, -1);
  g_cond_broadcast (&work_cond);
  g_mutex_unlock (&work_mutex);
}

static void
forked (void)
{
  parallel_fork_generation++;

  g_mutex_init (&work_mutex);
  g_cond_init (&work_cond);
  n_forking = 0;
  n_at_work = at_work > 0 ? 1 : 0;

  /* Held by whoever was adding something. */
  g_mutex_init (&mutex);

  for (guint i = 0; i < n_funcs; i++)
    funcs[i] ();
}

void
parallel_fork_install (void)
{
  static gsize installed;

  if (g_once_init_enter (&installed))
    {
      pthread_atfork (prepare, go_on, forked);
      g_once_init_leave (&installed, 1);
    }
}

void
parallel_fork_add (void (*func) (void))
{
  parallel_fork_install ();

  g_mutex_lock (&mutex);
  g_assert (n_funcs < MAX_FUNCS);
  funcs[n_funcs] = func;
  n_funcs++;
  g_mutex_unlock (&mutex);
}
