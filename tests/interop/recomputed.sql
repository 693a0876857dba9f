-- Statements computed again by DuckDB from their exported lines alone, in whole numbers: no float, no rounding but ours.
-- The rules are those of docs/how-to/recompute.md. An exact amount is so many of the
-- unit() parts of a minor unit.

CREATE MACRO unit() AS 1000000000000000000::HUGEINT;
-- A decimal with up to 8 places, in hundred-millionths.
CREATE MACRO exact(said) AS (said::DECIMAL(28, 8) * 100000000)::HUGEINT;
CREATE MACRO floored(n) AS n // unit() - (n % unit() < 0)::INT;
CREATE MACRO rounded(n) AS sign(n)::HUGEINT * ((abs(n) * 2 + unit()) // (unit() * 2));

CREATE TABLE statement AS
SELECT filename, max(value) FILTER (name = 'run_id') AS run_id, max(value) FILTER (name = 'partner') AS partner
FROM said WHERE record = 'statement' GROUP BY filename;

-- A line stands in the statements of both parties, and says the same in both.
CREATE TABLE line AS
SELECT DISTINCT s.run_id, l.obligation_id, l.day, l.payer, l.payee, l.kind, l.currency, l.agreement_version, l.issuer,
       l.transaction_id, l.seq::INT AS seq, l.posted_on, l.issued_on, l.points::HUGEINT AS points,
       l.amount_minor::HUGEINT AS amount_minor, exact(l.price_minor) AS price, exact(l.percent) AS percent,
       l.minimum_minor::HUGEINT AS minimum
FROM said l JOIN statement s USING (filename) WHERE l.record = 'line';

CREATE TABLE priced AS
SELECT run_id, obligation_id, day, payer, payee, kind, currency, agreement_version, issuer, transaction_id, seq,
       posted_on, issued_on, points, amount_minor, price, percent, minimum,
       CASE WHEN kind IN ('redemption', 'issue') THEN points * price * 10000000000
            WHEN kind = 'breakage' THEN points * price * percent END AS exact
FROM line;

-- What an issuer is charged for points under an agreement on a day, in hundred-millionths: fees are per cent of it.
CREATE TABLE charged AS
SELECT day, issuer, agreement_version, currency, sum(points * price)::HUGEINT AS amount
FROM priced WHERE kind = 'issue' OR (kind = 'redemption' AND payer = issuer)
GROUP BY ALL;

CREATE TABLE fee AS
SELECT f.run_id, f.obligation_id, f.payer, f.currency,
       rounded(f.points * f.price * 10000000000 + coalesce(c.amount, 0) * f.percent) AS amount_minor
FROM priced f
LEFT JOIN charged c ON (c.day, c.issuer, c.agreement_version, c.currency)
                     = (f.day, f.issuer, f.agreement_version, f.currency)
WHERE f.kind = 'fee';

CREATE TABLE minimum AS
SELECT m.run_id, m.obligation_id, m.payer, m.currency,
       greatest(m.minimum - coalesce(sum(f.amount_minor), 0), 0)::HUGEINT AS amount_minor
FROM priced m LEFT JOIN fee f ON (f.run_id, f.payer, f.currency) = (m.run_id, m.payer, m.currency)
WHERE m.kind = 'fee_minimum' GROUP BY m.run_id, m.obligation_id, m.payer, m.currency, m.minimum;

CREATE TABLE taxed AS
SELECT run_id, payer, currency, sum(amount_minor)::HUGEINT AS amount_minor
FROM (SELECT run_id, payer, currency, amount_minor FROM fee
      UNION ALL SELECT run_id, payer, currency, amount_minor FROM minimum)
GROUP BY ALL;

CREATE TABLE obligation AS
SELECT run_id, obligation_id, day, payer, payee, kind, currency, agreement_version, sum(points)::HUGEINT AS points,
       rounded(sum(exact)::HUGEINT) AS amount_minor
FROM priced WHERE exact IS NOT NULL GROUP BY ALL
UNION ALL
SELECT p.run_id, p.obligation_id, p.day, p.payer, p.payee, p.kind, p.currency, p.agreement_version, p.points,
       CASE p.kind
           WHEN 'fee' THEN f.amount_minor
           WHEN 'fee_minimum' THEN m.amount_minor
           WHEN 'vat' THEN rounded(t.amount_minor * p.percent * 100000000)
           ELSE p.amount_minor END
FROM priced p LEFT JOIN fee f USING (obligation_id) LEFT JOIN minimum m USING (obligation_id)
LEFT JOIN taxed t ON (t.run_id, t.payer, t.currency) = (p.run_id, p.payer, p.currency)
WHERE p.exact IS NULL;

-- Rounded down, and what is missing goes to the largest remainders, the earlier line first.
CREATE TABLE shared AS
SELECT p.obligation_id, p.transaction_id, p.seq, p.amount_minor AS said,
       floored(p.exact) + (row_number() OVER (
            PARTITION BY p.obligation_id
            ORDER BY p.exact - floored(p.exact) * unit() DESC, p.issued_on, p.posted_on, p.transaction_id, p.seq
       ) <= o.amount_minor - sum(floored(p.exact)) OVER (PARTITION BY p.obligation_id))::INT AS computed
FROM priced p JOIN obligation o USING (obligation_id) WHERE p.exact IS NOT NULL;

CREATE TABLE net AS
SELECT run_id, party, currency, sum(amount_minor)::HUGEINT AS amount_minor
FROM (SELECT run_id, payee AS party, currency, amount_minor FROM obligation
      UNION ALL SELECT run_id, payer, currency, -amount_minor FROM obligation)
GROUP BY ALL;
