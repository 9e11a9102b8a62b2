/* parallel-lock.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* About as long as the locks of hot paths are held, a microsecond, and much less than it takes to sleep and be woken. */
#define PARALLEL_LOCK_TRIES 100

static inline void
parallel_lock_pause (void)
{
#if defined (__x86_64__) || defined (__i386__)
  __builtin_ia32_pause ();
#elif defined (__aarch64__)
  __asm__ volatile ("yield");
#endif
}

/* For a lock that is never held longer than it takes to change some fields, and that several threads want all the time:
 * looks whether it is free for a moment before it sleeps. */
static inline void
parallel_lock (GMutex *mutex)
{
  for (guint i = 0; i < PARALLEL_LOCK_TRIES; i++)
    {
      if (g_mutex_trylock (mutex))
        return;
      parallel_lock_pause ();
    }

  g_mutex_lock (mutex);
}

G_END_DECLS
