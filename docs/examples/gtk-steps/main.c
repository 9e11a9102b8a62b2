/* main.c: a window with a list of steps that run.
 *
 * gtk-steps [--jobs=N] [--steps=N] [COMMAND…]: runs commands for the shell, or else a
 * demonstration. If it runs already, its window gets the commands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "make-steps.h"
#include "steps-window.h"

static StepsWindow *
get_window (GtkApplication *app)
{
  GList *windows = gtk_application_get_windows (app);

  return windows != NULL ? STEPS_WINDOW (windows->data) : NULL;
}

static void
add_cb (GSimpleAction *action,
        GVariant      *parameter,
        gpointer       user_data)
{
  const char *command = g_variant_get_string (parameter, NULL);

  if (command[0] != '\0')
    {
      g_autoptr (ParallelStep) step = make_step_for_command (command);

      steps_window_put (get_window (user_data), step);
    }
}

static void
halt_cb (GSimpleAction *action,
         GVariant      *parameter,
         gpointer       user_data)
{
  steps_window_halt (get_window (user_data));
}

static void
retry_cb (GSimpleAction *action,
          GVariant      *parameter,
          gpointer       user_data)
{
  steps_window_retry (get_window (user_data));
}

static void
select_cb (GSimpleAction *action,
           GVariant      *parameter,
           gpointer       user_data)
{
  steps_window_select (get_window (user_data), g_variant_get_uint32 (parameter));
}

static void
quit_cb (GSimpleAction *action,
         GVariant      *parameter,
         gpointer       user_data)
{
  gtk_window_close (GTK_WINDOW (get_window (user_data)));
}

/* Nobody but the window says what the summary is. */
static void
ignore_cb (GSimpleAction *action,
           GVariant      *value,
           gpointer       user_data)
{
}

/* They can also be called over D-Bus, where the state of "summary" is the line that the window
 * shows. */
static void
startup_cb (GApplication *app)
{
  static const GActionEntry entries[] =
  {
    { .name = "add", .activate = add_cb, .parameter_type = "s" },
    { .name = "halt", .activate = halt_cb },
    { .name = "retry", .activate = retry_cb },
    { .name = "select", .activate = select_cb, .parameter_type = "u" },
    { .name = "quit", .activate = quit_cb },
    { .name = "summary", .state = "''", .change_state = ignore_cb },
  };
  static const struct { const char *action; const char *accels[3]; } keys[] =
  {
    { "win.ask", { "<Control>n" } },
    { "app.halt", { "<Control>h" } },
    { "app.retry", { "<Control>r" } },
    { "app.quit", { "<Control>q", "<Control>w" } },
  };
  g_autoptr (GtkCssProvider) css = gtk_css_provider_new ();

  g_action_map_add_action_entries (G_ACTION_MAP (app), entries, G_N_ELEMENTS (entries), app);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    gtk_application_set_accels_for_action (GTK_APPLICATION (app), keys[i].action, keys[i].accels);

  gtk_css_provider_load_from_resource (css, "/org/example/GtkSteps/style.css");
  gtk_style_context_add_provider_for_display (gdk_display_get_default (), GTK_STYLE_PROVIDER (css),
                                              GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
}

static void
put_all (StepsWindow *window,
         GPtrArray   *steps)
{
  for (guint i = 0; i < steps->len; i++)
    steps_window_put (window, g_ptr_array_index (steps, i));
  g_ptr_array_unref (steps);
}

static int
command_line_cb (GApplication            *app,
                 GApplicationCommandLine *command_line)
{
  GVariantDict *options = g_application_command_line_get_options_dict (command_line);
  g_auto (GStrv) arguments = g_application_command_line_get_arguments (command_line, NULL);
  StepsWindow *window = get_window (GTK_APPLICATION (app));
  gboolean first = window == NULL;
  int n_jobs;
  int n_steps = 0;

  if (first)
    window = steps_window_new (GTK_APPLICATION (app));
  if (g_variant_dict_lookup (options, "jobs", "i", &n_jobs) && n_jobs > 0)
    steps_window_set_max_parallel (window, n_jobs);

  if (g_variant_dict_lookup (options, "steps", "i", &n_steps) && n_steps > 0)
    put_all (window, make_quick_steps (n_steps));
  else if (first && arguments[1] == NULL)
    put_all (window, make_demonstration ());
  for (guint i = 1; arguments[0] != NULL && arguments[i] != NULL; i++)
    g_action_group_activate_action (G_ACTION_GROUP (app), "add",
                                    g_variant_new_string (arguments[i]));

  gtk_window_present (GTK_WINDOW (window));
  return 0;
}

int
main (int    argc,
      char **argv)
{
  static const GOptionEntry options[] =
  {
    { "jobs", 'j', 0, G_OPTION_ARG_INT, NULL, "Run N steps at once", "N" },
    { "steps", 's', 0, G_OPTION_ARG_INT, NULL, "Run N quick steps; one in ten fails", "N" },
    { NULL }
  };
  g_autoptr (GtkApplication) app =
    gtk_application_new ("org.example.GtkSteps", G_APPLICATION_HANDLES_COMMAND_LINE);

  g_application_add_main_option_entries (G_APPLICATION (app), options);
  g_application_set_option_context_parameter_string (G_APPLICATION (app), "[COMMAND…]");
  g_signal_connect (app, "startup", G_CALLBACK (startup_cb), NULL);
  g_signal_connect (app, "command-line", G_CALLBACK (command_line_cb), NULL);

  return g_application_run (G_APPLICATION (app), argc, argv);
}
