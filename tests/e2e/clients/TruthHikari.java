// SPDX-License-Identifier: GPL-2.0-or-later

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;

/** The truth set on HikariCP and pgjdbc; see truth.py. */
public class TruthHikari {
    private static final double GRACE = Double.parseDouble(System.getenv("TRUTH_GRACE"));
    private static final String SQL = "select count(*) from account";
    private static final List<Object> forgotten = new ArrayList<>();
    private static final Random random = new Random();

    private interface Work {
        void run() throws Exception;
    }

    private static HikariDataSource open(int least, int most) {
        HikariConfig c = new HikariConfig();
        c.setJdbcUrl("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT")
                + "/" + System.getenv("PGDATABASE") + "?sslmode=disable");
        c.setUsername(System.getenv("PGUSER"));
        c.setPassword(System.getenv("PGPASSWORD"));
        c.setMinimumIdle(least);
        c.setMaximumPoolSize(most);
        c.setMaxLifetime(30000);    // the least it takes
        c.setIdleTimeout(least == most ? 0 : 10000);
        return new HikariDataSource(c);
    }

    private static int ask(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            r.next();
            return r.getInt(1);
        }
    }

    private static void leaked(String kind, int backend) {
        System.out.println("{\"kind\": \"" + kind + "\", \"backend\": " + backend + ", \"at\": "
                + System.currentTimeMillis() / 1000.0 + "}");
    }

    private static void forget(String kind, Connection c) throws SQLException {
        forgotten.add(c);
        leaked(kind, ask(c, "select pg_backend_pid()"));
    }

    private static void op(HikariDataSource p) throws SQLException {
        try (Connection c = p.getConnection()) {
            ask(c, SQL);
        }
    }

    private static void hold(HikariDataSource p) throws Exception {
        try (Connection c = p.getConnection()) {
            ask(c, SQL);
            Thread.sleep(300);
            ask(c, SQL);
        }
    }

    private static void pause(double ms) throws InterruptedException {
        Thread.sleep((long) (ms * (0.5 + random.nextDouble())));
    }

    private static void forEver(Work step, double ms) throws Exception {
        for (;;) {
            step.run();
            pause(ms);
        }
    }

    private static void start(Work work, CountDownLatch done) {
        Thread t = new Thread(() -> {
            try {
                work.run();
            } catch (Exception e) {
                e.printStackTrace();
                System.exit(1);
            }
            done.countDown();
        });
        t.setDaemon(true);
        t.start();
    }

    private static void crowd(int count, Work work) throws InterruptedException {
        CountDownLatch done = new CountDownLatch(count);
        for (int i = 0; i < count; i++) {
            start(work, done);
        }
        done.await();
    }

    private static void leakAmong(HikariDataSource p, int count, Work leak) throws Exception {
        for (int i = 0; i < 5; i++) {
            op(p);
        }
        for (int i = 0; i < count; i++) {
            leak.run();
            Thread.sleep(i < count - 1 ? 350 : 1400);
            op(p);
            Thread.sleep(50);
        }
        forEver(() -> op(p), 200);
    }

    private static void bursts(HikariDataSource p) throws Exception {
        for (;;) {
            for (int count : new int[] {4, 12, 7, 16, 2}) {
                crowd(count, () -> hold(p));
                for (int i = 0; i < 10; i++) {
                    op(p);
                    pause(50);
                }
                pause(2000 * GRACE);
            }
        }
    }

    private static void txn(HikariDataSource p) throws SQLException {
        Connection c = p.getConnection();
        c.setAutoCommit(false);
        forget("idle-in-txn", c);
    }

    /** A result in portions: between them the transaction is open. */
    private static void portions(HikariDataSource p) throws SQLException {
        Connection c = p.getConnection();
        c.setAutoCommit(false);
        int backend = ask(c, "select pg_backend_pid()");
        Statement s = c.createStatement();
        s.setFetchSize(10);
        s.executeQuery("select generate_series(1, 1000)").next();
        forgotten.add(c);
        leaked("idle-in-txn", backend);
    }

    private static void run(String mode) throws Exception {
        HikariDataSource p;
        switch (mode) {
        // ---- that leak
        case "held":
            HikariDataSource lazy = open(0, 60);
            leakAmong(lazy, 8, () -> forget("held", lazy.getConnection()));
            return;
        case "held-reserve":    // the pool sees to it that there are always three idle
            HikariDataSource some = open(3, 60);
            leakAmong(some, 30, () -> forget("held", some.getConnection()));
            return;
        case "held-full":       // opened at the start, all of them
            HikariDataSource full = open(20, 20);
            Thread.sleep(3000);
            leakAmong(full, 6, () -> forget("held", full.getConnection()));
            return;
        case "txn":
            HikariDataSource t = open(2, 20);
            leakAmong(t, 3, () -> txn(t));
            return;
        case "portions":
            HikariDataSource s = open(2, 20);
            leakAmong(s, 2, () -> portions(s));
            return;
        // ---- that do not
        case "busy":
            p = open(8, 8);
            crowd(6, () -> forEver(() -> op(p), 100));
            return;
        case "burst":
            bursts(open(2, 20));
            return;
        case "reserve":         // of a fixed size, of which little is needed
            p = open(12, 12);
            forEver(() -> op(p), 300);
            return;
        case "two-pools":
            HikariDataSource quiet = open(5, 5);
            start(() -> forEver(() -> hold(quiet), 4000 * GRACE), new CountDownLatch(1));
            bursts(open(2, 20));
            return;
        default:
            throw new IllegalArgumentException(mode);
        }
    }

    public static void main(String[] args) throws Exception {
        System.out.println("{}");
        System.in.read();
        run(args[0]);
    }
}
