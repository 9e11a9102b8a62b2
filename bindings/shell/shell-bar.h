/* shell-bar.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The progress bar: the last line of a terminal, which gives way to what the steps print there.
 *
 * The main thread draws it; the thread that prints the steps' output writes it through
 * shell_bar_write(). */
typedef struct _ShellBar ShellBar;

typedef struct
{
  guint64  n_done;          /* with the failed ones */
  guint64  n_failed;
  guint64  n_running;
  guint64  n_total;
  gboolean total_known;     /* all inputs have been read */
  gboolean stopping;        /* by a signal */
} ShellBarCounts;

/* @fd is a terminal and stays the caller's. */
ShellBar *shell_bar_new     (int                    fd);
ShellBar *shell_bar_ref     (ShellBar              *self);
void      shell_bar_unref   (ShellBar              *self);

/* Draws the bar anew. Never waits: neither for the writer, nor for a terminal that was stopped. */
void      shell_bar_draw    (ShellBar              *self,
                             const ShellBarCounts  *counts);

/* Takes the bar away for good. */
void      shell_bar_finish  (ShellBar              *self);

/* As write(), to a descriptor that is a terminal too. May be called from any thread. */
gssize    shell_bar_write   (ShellBar              *self,
                             int                    fd,
                             const void            *data,
                             gsize                  length);

/* The text of a bar after @elapsed seconds, in at most @width columns. */
char     *shell_bar_format  (const ShellBarCounts  *counts,
                             double                 elapsed,
                             int                    width);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShellBar, shell_bar_unref)

G_END_DECLS
