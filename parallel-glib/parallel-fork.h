/* parallel-fork.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A program that forks: none of the library's threads exists in the child, and what runs belongs to
 * the parent. The child starts afresh: what is one of a process (the engine, the pipes to helpers)
 * is reset, and each object that was made before has another generation than the process, so that
 * it is not touched any more. */

/* GLib's own locks are none that a child could reset: one that another thread has held at the moment
 * of the fork stays held in the child for ever. So a thread of the library is at work only between
 * these two, and fork() waits, for a second at most, until none is. A thread is not at work while it
 * waits and while it runs code of the user's; but what such code calls of the library is work again.
 * They nest, and begin is not to be called with a lock held. */
void     parallel_fork_begin_work     (void);
void     parallel_fork_end_work       (void);

/* How many forks this process is away from the first one. Changed only by fork(), in a process that
 * has one thread then. Read directly, because every lock of a step does it. */
extern int parallel_fork_generation;

/* To be called before something takes the generation of the process. Any thread. */
void     parallel_fork_install        (void);

/* Any thread: has @func called in every child, in the order of the calls. It may only reset
 * variables and close descriptors: another thread may have been in the middle of anything. */
void     parallel_fork_add            (void (*func) (void));

/* The same, however often it is passed here. */
#define parallel_fork_add_once(func) \
  G_STMT_START { \
    static gsize added_; \
    if (g_once_init_enter (&added_)) \
      { \
        parallel_fork_add (func); \
        g_once_init_leave (&added_, 1); \
      } \
  } G_STMT_END

G_END_DECLS
