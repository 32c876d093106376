-- Prefect's database is made by the image; MLflow's is the second one.
CREATE DATABASE mlflow OWNER stayrank;
-- and MLflow keeps who may do what in a third, where its authentication is on.
CREATE DATABASE mlflow_auth OWNER stayrank;
