package io.github.resilience4j.circuitbreaker.internal;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/** Stands in for the library's scheduler: timers that follow a clock which the recorder sets. */
public class SchedulerFactory {
    public static long nowNs;
    public static final List<Task> TASKS = new ArrayList<>();
    private static final SchedulerFactory INSTANCE = new SchedulerFactory();

    public static final class Task {
        long dueNs;
        Runnable run;
        boolean isOver;
    }

    public static SchedulerFactory getInstance() {
        return INSTANCE;
    }

    /** Set the clock, running what falls due on the way at its own instant. */
    public static void advance(long toNs) {
        while (true) {
            Task next = null;
            for (Task task : TASKS) {
                if (!task.isOver && task.dueNs <= toNs && (next == null || task.dueNs < next.dueNs)) {
                    next = task;
                }
            }
            if (next == null) {
                break;
            }
            nowNs = next.dueNs;
            next.isOver = true;
            next.run.run();
        }
        TASKS.removeIf(task -> task.isOver);
        nowNs = toNs;
    }

    public ScheduledExecutorService getScheduler() {
        return proxy(ScheduledExecutorService.class, (name, arguments) -> {
            Task task = new Task();
            task.run = (Runnable) arguments[0];
            task.dueNs = nowNs + ((TimeUnit) arguments[2]).toNanos((Long) arguments[1]);
            TASKS.add(task);
            return proxy(ScheduledFuture.class, (called, none) -> {
                boolean wasOver = task.isOver;
                task.isOver |= called.equals("cancel");
                return called.equals("cancel") || wasOver;
            });
        });
    }

    private interface Handler {
        Object call(String name, Object[] arguments);
    }

    private static <T> T proxy(Class<T> type, Handler handler) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type},
            (self, method, arguments) -> handler.call(method.getName(), arguments)));
    }
}
