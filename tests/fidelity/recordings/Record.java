import io.github.bucket4j.Bandwidth;
import io.github.bucket4j.Bucket;
import io.github.bucket4j.TimeMeter;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.internal.CircuitBreakerStateMachine;
import io.github.resilience4j.circuitbreaker.internal.SchedulerFactory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.concurrent.TimeUnit;

/** Puts the commands on standard input to the real libraries and prints each with its answer. See README.md. */
public class Record {
    private static CircuitBreaker breaker;
    private static Bucket bucket;
    private static long bucketNowNs;

    public static void main(String[] none) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        StringBuilder out = new StringBuilder();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer = line.startsWith("#") ? "" : answer(line.split(" "));
            out.append(line).append(answer.isEmpty() ? "" : " => ").append(answer).append('\n');
        }
        System.out.print(out);
    }

    private static String answer(String[] field) {
        switch (field[0]) {
            case "N" -> {
                SchedulerFactory.TASKS.clear();
                SchedulerFactory.nowNs = Long.parseLong(field[11]);
                breaker = new CircuitBreakerStateMachine("recorded", config(field), SchedulerFactory.getInstance());
                return "";
            }
            case "B" -> {
                bucketNowNs = Long.parseLong(field[4]);
                bucket = bucket(Long.parseLong(field[1]), Long.parseLong(field[2]), Long.parseLong(field[3]));
                return "";
            }
            case "C" -> {
                bucketNowNs = Long.parseLong(field[1]);
                return bucket.tryConsume(1) ? "1" : "0";
            }
            default -> SchedulerFactory.advance(Long.parseLong(field[1]));
        }
        String said = "";
        switch (field[0]) {
            case "A" -> said = breaker.tryAcquirePermission() ? "1 " : "0 ";
            case "L" -> breaker.releasePermission();
            default -> record(field[2].equals("1"), Long.parseLong(field[3]));
        }
        return said + breaker.getState();
    }

    private static void record(boolean isFailed, long durationNs) {
        if (isFailed) {
            breaker.onError(durationNs, TimeUnit.NANOSECONDS, new IOException());
        } else {
            breaker.onSuccess(durationNs, TimeUnit.NANOSECONDS);
        }
    }

    private static CircuitBreakerConfig config(String[] field) {
        return CircuitBreakerConfig.custom()
            .clock(new RecordedClock())
            .slidingWindowType(CircuitBreakerConfig.SlidingWindowType.valueOf(field[1]))
            .slidingWindowSize(Integer.parseInt(field[2]))
            .minimumNumberOfCalls(Integer.parseInt(field[3]))
            .failureRateThreshold(Float.parseFloat(field[4]))
            .slowCallDurationThreshold(Duration.ofNanos(Long.parseLong(field[5])))
            .slowCallRateThreshold(Float.parseFloat(field[6]))
            .waitDurationInOpenState(Duration.ofNanos(Long.parseLong(field[7])))
            .permittedNumberOfCallsInHalfOpenState(Integer.parseInt(field[8]))
            .maxWaitDurationInHalfOpenState(Duration.ofNanos(Long.parseLong(field[9])))
            .automaticTransitionFromOpenToHalfOpenEnabled(field[10].equals("1"))
            .build();
    }

    private static Bucket bucket(long capacity, long tokens, long periodNs) {
        TimeMeter meter = new TimeMeter() {
            @Override
            public long currentTimeNanos() {
                return bucketNowNs;
            }

            @Override
            public boolean isWallClockBased() {
                return false;
            }
        };
        return Bucket.builder()
            .withCustomTimePrecision(meter)
            .addLimit(Bandwidth.builder().capacity(capacity).refillGreedy(tokens, Duration.ofNanos(periodNs)).build())
            .build();
    }

    private static final class RecordedClock extends Clock {
        @Override
        public ZoneId getZone() {
            return ZoneOffset.UTC;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            return this;
        }

        @Override
        public Instant instant() {
            return Instant.ofEpochSecond(0, SchedulerFactory.nowNs);
        }
    }
}
