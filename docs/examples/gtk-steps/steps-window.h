/* steps-window.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gtk/gtk.h>
#include <parallel-glib/parallel.h>

G_BEGIN_DECLS

#define STEPS_TYPE_WINDOW (steps_window_get_type ())

G_DECLARE_FINAL_TYPE (StepsWindow, steps_window, STEPS, WINDOW, GtkApplicationWindow)

StepsWindow *steps_window_new              (GtkApplication *app);
void         steps_window_set_max_parallel (StepsWindow    *self,
                                            guint           max_parallel);
void         steps_window_put              (StepsWindow    *self,
                                            ParallelStep   *step);
void         steps_window_halt             (StepsWindow    *self);
void         steps_window_retry            (StepsWindow    *self);
void         steps_window_select           (StepsWindow    *self,
                                            guint           position);

G_END_DECLS
