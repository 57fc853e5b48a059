// SPDX-License-Identifier: GPL-2.0-or-later

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * An application on mariadb-java-client that does as it is told; see lib/client.py.  Beside the
 * words that all know: batch N (N inserts in one go), prepared SQL; heap N (keeps N million
 * objects), gc S (collects garbage, again and again, for S seconds).
 */
public class LeakJdbc {
    private static Connection db;
    private static PreparedStatement kept;

    private static Connection dial() throws SQLException {
        String options = System.getenv().getOrDefault("DB_OPTIONS", "");
        return DriverManager.getConnection(
                "jdbc:mariadb://" + System.getenv("DB_HOST") + ":" + System.getenv("DB_PORT") + "/"
                        + System.getenv("DB_NAME") + "?allowLocalInfile=true" + options,
                System.getenv("DB_USER"), System.getenv("DB_PASSWORD"));
    }

    private static String first(Statement s, boolean has) throws SQLException {
        String text = "";
        while (has || s.getUpdateCount() != -1) {
            if (has) {
                try (ResultSet r = s.getResultSet()) {
                    while (r.next()) {
                        text = text.isEmpty() ? String.valueOf(r.getString(1)) : text;
                    }
                }
            }
            has = s.getMoreResults();
        }
        return "ok " + text;
    }

    private static String query(String sql) throws SQLException {
        try (Statement s = db.createStatement()) {
            return first(s, s.execute(sql));
        }
    }

    private static String prepared(String sql) throws SQLException {
        try (PreparedStatement s = db.prepareStatement(sql)) {
            return first(s, s.execute());
        }
    }

    private static String prepare(String sql) throws SQLException {
        kept = db.prepareStatement(sql);
        return first(kept, kept.execute());
    }

    private static String batch(int n) throws SQLException {
        try (PreparedStatement s = db.prepareStatement("insert into blobs (b) values (?)")) {
            for (int i = 0; i < n; i++) {
                s.setString(1, "row " + i);
                s.addBatch();
            }
            return "ok " + s.executeBatch().length;
        }
    }

    /** Begins a transaction on a thread of that name, which then waits for ever. */
    private static String forget(String name) throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        Thread t = new Thread(() -> {
            try {
                query("begin");
                query("update account set balance = balance - 1 where id = 1");
                done.countDown();
                Thread.sleep(Long.MAX_VALUE);
            } catch (SQLException | InterruptedException e) {
                return;
            }
        }, name);
        t.setDaemon(true);
        t.start();
        return done.await(10, TimeUnit.SECONDS) ? "ok" : "error - the thread did not begin";
    }

    private static void busy() {
        try (Connection c = dial()) {
            c.setAutoCommit(false);
            for (;;) {
                try (Statement s = c.createStatement()) {
                    s.executeQuery("select count(*) from account").close();
                }
                c.commit();
                Thread.sleep(20);
            }
        } catch (SQLException | InterruptedException e) {
            return;
        }
    }

    /** A list long enough that to collect it takes a while. */
    private static Object[] heap;

    private static String grow(int millions) {
        for (long i = 0; i < millions * 1000000L; i++) {
            heap = new Object[] {heap};
        }
        return "ok";
    }

    private static void collect(int seconds) {
        long end = System.nanoTime() + seconds * 1000000000L;
        while (System.nanoTime() < end) {
            System.gc();
        }
    }

    private static void start(Runnable what) {
        Thread t = new Thread(what);
        t.setDaemon(true);
        t.start();
    }

    private static String obey(String word, String rest)
            throws SQLException, InterruptedException {
        switch (word) {
        case "begin":
        case "commit":
        case "rollback":
            return query(word);
        case "query":
            return query(rest);
        case "prepared":
            return prepared(rest);
        case "prepare":
            return prepare(rest);
        case "execute":
            return first(kept, kept.execute());
        case "batch":
            return batch(Integer.parseInt(rest));
        case "forget":
            return forget(rest);
        case "manual":
        case "auto":
            db.setAutoCommit(word.equals("auto"));
            return "ok";
        case "backend":
            return query("select connection_id()");
        case "busy":
            for (int i = 0; i < Integer.parseInt(rest); i++) {
                start(LeakJdbc::busy);
            }
            return "ok";
        case "heap":
            return grow(Integer.parseInt(rest));
        case "gc":
            start(() -> collect(Integer.parseInt(rest)));
            return "ok";
        default:
            return "error - unknown word " + word;
        }
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        db = dial();
        System.out.println("ok");
        for (String line = in.readLine(); line != null && !line.equals("quit"); line = in.readLine()) {
            int at = line.indexOf(' ');
            String answer;
            try {
                answer = obey(at < 0 ? line : line.substring(0, at), at < 0 ? "" : line.substring(at + 1));
            } catch (SQLException e) {
                answer = "error " + e.getSQLState() + " " + e.getMessage();
            }
            System.out.println(answer.replace('\n', ' '));
        }
        System.exit(0);
    }
}
