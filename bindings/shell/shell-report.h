/* shell-report.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <parallel-glib/parallel.h>

G_BEGIN_DECLS

/* The list of failures at the end: a line each and the last lines of the step's output, in queue
 * order. Main thread only. */
typedef struct _ShellReport ShellReport;

ShellReport *shell_report_new    (void);
void         shell_report_free   (ShellReport  *self);

/* Notes that @step failed; lets go of it. However many there are, the memory stays bounded. */
void         shell_report_add    (ShellReport  *self,
                                  ParallelStep *step);
guint64      shell_report_count  (ShellReport  *self);

/* The text, or NULL if nothing failed; @n_steps is how many there were. */
char        *shell_report_format (ShellReport  *self,
                                  guint64       n_steps);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShellReport, shell_report_free)

G_END_DECLS
