/* step-row.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gtk/gtk.h>
#include <parallel-glib/parallel.h>

G_BEGIN_DECLS

#define STEP_TYPE_ROW (step_row_get_type ())

G_DECLARE_FINAL_TYPE (StepRow, step_row, STEP, ROW, GtkBox)

GtkWidget *step_row_new      (void);
void       step_row_set_step (StepRow      *self,
                              ParallelStep *step);

G_END_DECLS
