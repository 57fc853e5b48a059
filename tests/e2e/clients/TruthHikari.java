// SPDX-License-Identifier: GPL-2.0-or-later

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** The truth set on HikariCP, with pgjdbc or (DB_HOST) mariadb-java-client; see truth.py. */
public class TruthHikari {
    private static final double GRACE = Double.parseDouble(System.getenv("TRUTH_GRACE"));
    private static final boolean MARIADB = System.getenv("DB_HOST") != null;
    private static final String SQL = "select count(*) from account";
    private static final List<Object> forgotten = new ArrayList<>();
    private static final Random random = new Random();

    private interface Work {
        void run() throws Exception;
    }

    private static HikariConfig config(int least, int most) {
        HikariConfig c = new HikariConfig();
        if (MARIADB) {
            c.setJdbcUrl("jdbc:mariadb://" + System.getenv("DB_HOST") + ":" + System.getenv("DB_PORT")
                    + "/" + System.getenv("DB_NAME"));
            c.setUsername(System.getenv("DB_USER"));
            c.setPassword(System.getenv("DB_PASSWORD"));
        } else {
            c.setJdbcUrl("jdbc:postgresql://" + System.getenv("PGHOST") + ":"
                    + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE")
                    + "?sslmode=disable");
            c.setUsername(System.getenv("PGUSER"));
            c.setPassword(System.getenv("PGPASSWORD"));
        }
        c.setMinimumIdle(least);
        c.setMaximumPoolSize(most);
        c.setMaxLifetime(30000);    // the least it takes
        c.setIdleTimeout(least == most ? 0 : 10000);
        return c;
    }

    private static HikariDataSource open(int least, int most) {
        return new HikariDataSource(config(least, most));
    }

    /** Dialled by threads of the pool's own, all of them. */
    private static HikariDataSource openLater(int size) {
        HikariConfig c = config(size, size);
        c.setInitializationFailTimeout(-1);
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
        leaked(kind, ask(c, MARIADB ? "select connection_id()" : "select pg_backend_pid()"));
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

    /** The threads of a server, each of which forgets one now and then. */
    private static void leakInThreads(HikariDataSource p) throws InterruptedException {
        Thread.sleep(3000);
        for (int i = 0; i < 8; i++) {
            int turn = i;
            start(() -> {
                for (int n = 0; ; n++) {
                    hold(p);
                    if (n % 8 == turn && n < 12) {
                        Connection c = p.getConnection();
                        ask(c, SQL);
                        pause(200);
                        forget("held", c);
                    }
                    pause(2500);
                }
            }, new CountDownLatch(1));
        }
    }

    /** A loan within a loan, and so on, given back in one order or the other. */
    private static void nest(HikariDataSource p, int depth, boolean firstIn) throws Exception {
        ArrayDeque<Connection> lent = new ArrayDeque<>();
        for (int i = 0; i < depth; i++) {
            lent.add(p.getConnection());
            ask(lent.getLast(), SQL);
            ask(lent.getLast(), SQL);
            pause(400);
        }
        while (!lent.isEmpty()) {
            (firstIn ? lent.removeFirst() : lent.removeLast()).close();
        }
    }

    private static void nests(HikariDataSource p) throws Exception {
        for (;;) {
            nest(p, 1 + random.nextInt(5), random.nextBoolean());
            for (int i = 0; i < 10; i++) {
                op(p);
                pause(200 * GRACE);
            }
        }
    }

    /** Borrowed by one thread, used by another, given back by any. */
    private static void handOver(HikariDataSource p) throws Exception {
        ExecutorService workers = Executors.newFixedThreadPool(8);
        for (;;) {
            for (int i = random.nextInt(5); i >= 0; i--) {
                pass(workers, p.getConnection(), 1 + random.nextInt(4));
                pause(100);
            }
            pause(random.nextInt(10) == 0 ? 2000 * GRACE : 300);
        }
    }

    private static void pass(ExecutorService to, Connection c, int times) {
        to.execute(() -> {
            try {
                ask(c, SQL);
                pause(100);
                if (times > 0) {
                    pass(to, c, times - 1);
                } else {
                    c.close();
                }
            } catch (Exception e) {
                e.printStackTrace();
                System.exit(1);
            }
        });
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
        case "held-threads":
            leakInThreads(openLater(20));
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
        case "nested":
            nests(open(10, 10));
            return;
        case "handed":
            handOver(open(12, 12));
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
        Thread.currentThread().join();
    }
}
