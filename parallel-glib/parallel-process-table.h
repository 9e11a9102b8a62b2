/* parallel-process-table.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What runs on this system at one moment. All functions may be called from any thread; those that
 * read may hang when a process hangs in the kernel. */

typedef struct
{
  int      pid;
  int      parent;
  int      group;
  char     state;           /* as in proc(5): R, S, D, T, Z … */
  guint64  start;           /* with pid, it is unique: clock ticks since the system started */
  char    *name;            /* valid UTF-8 */
  char    *mark;            /* PARALLEL_GLIB_STEP of its environment, or NULL */
} ParallelProcess;

typedef struct _ParallelProcessTable ParallelProcessTable;

/* All the processes of one step: its group, what carries its mark, and all that these have started. */
typedef struct
{
  int         pid;          /* of the first one, and the number of their group; 0 for none */
  const char *mark;         /* "PARALLEL_GLIB_STEP=…" */
} ParallelTree;

/* Reads the table, or returns one that another thread began to read at @not_before (monotonic time)
 * or later. */
ParallelProcessTable *parallel_process_table_get   (gint64                 not_before);
/* Reads one without marks: nothing that may hang. */
ParallelProcessTable *parallel_process_table_glance (void);
ParallelProcessTable *parallel_process_table_ref   (ParallelProcessTable  *table);
void                  parallel_process_table_unref (ParallelProcessTable  *table);

/* The processes of @tree, parents before their children, without those that have ended. They belong
 * to the table. @known, or NULL: those that were found before, by process id; they are found again
 * even if nothing shows any more that they belong to the tree, and what is found is added. */
GPtrArray            *parallel_process_table_find  (ParallelProcessTable  *table,
                                                    const ParallelTree    *tree,
                                                    GHashTable            *known);

/* Sends @signum to a process of a table, unless it has ended since then. */
void                  parallel_process_kill        (const ParallelProcess *process,
                                                    int                    signum);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelProcessTable, parallel_process_table_unref)

G_END_DECLS
