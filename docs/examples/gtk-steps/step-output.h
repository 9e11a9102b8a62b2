/* step-output.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gtk/gtk.h>
#include <parallel-glib/parallel.h>

G_BEGIN_DECLS

#define STEP_TYPE_OUTPUT (step_output_get_type ())

G_DECLARE_FINAL_TYPE (StepOutput, step_output, STEP, OUTPUT, GtkBox)

void step_output_set_step (StepOutput   *self,
                           ParallelStep *step);

G_END_DECLS
